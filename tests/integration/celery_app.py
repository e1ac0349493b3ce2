"""The application that a worker of its own process loads: ``celery -A tests.integration.celery_app worker``."""

from __future__ import annotations

import os

from tests.integration.test_celery import make_app

app = make_app(os.environ["CELERY_BROKER"], os.environ["CELERY_RESULTS"])
