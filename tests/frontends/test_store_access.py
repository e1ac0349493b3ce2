"""Methods for users, beside redis-py's on the real server."""

from __future__ import annotations

import pytest
import redis

import kvcore
from tests.frontends.comparison import Call, differences, kw

CALLS: list[Call] = [
    ("acl_cat",),
    ("acl_cat", "nosuch"),
    ("acl_getuser", "default"),
    ("acl_getuser", "nosuch"),
    (
        "acl_setuser",
        "bob",
        kw(
            enabled=True,
            passwords=["+p", "-q"],
            categories=["+@hash", "-list"],
            commands=["+get", "-set"],
            keys=["a*", "%R~b"],
            channels=["c*"],
            selectors=[("+set", "x")],
        ),
    ),
    ("acl_getuser", "bob"),
    ("acl_list",),
    ("acl_users",),
    ("acl_whoami",),
    ("acl_dryrun", "bob", "get", "a1"),
    ("acl_dryrun", "bob", "get", "z"),
    ("acl_dryrun", "bob", "del", "z"),
    ("acl_setuser", "bob", kw(reset=True, nopass=True, reset_keys=True, reset_channels=True, reset_passwords=True)),
    ("acl_getuser", "bob"),
    ("acl_setuser", "bob", kw(hashed_passwords="+" + "a" * 64)),
    ("acl_setuser", "bob", kw(hashed_passwords=["-" + "a" * 64])),
    ("acl_setuser", "bob", kw(hashed_passwords="+zz")),
    ("acl_deluser", "bob", "default"),
    ("acl_deluser", "bob", "nosuch"),
    ("acl_log",),
    ("acl_log", 3),
    ("acl_log_reset",),
    ("acl_load",),
    ("acl_save",),
]


def test_calls_return_what_redis_py_returns(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        assert differences(store, real_redis, CALLS) == []


@pytest.mark.parametrize("decode", [False, True])
def test_what_is_text_is_text_for_stores_of_bytes_as_well(decode: bool) -> None:
    with kvcore.open(decode_responses=decode) as store:
        assert "read" in store.acl_cat()
        assert "get" in store.acl_cat("read")
        assert store.acl_help()[0].startswith("ACL")
        assert len(store.acl_genpass()) == 64
        assert len(store.acl_genpass(8)) == 2
        store.acl_setuser("bob", enabled=True, passwords="+p", commands=["+get"], selectors=[("+set", "~x")])
        user = store.acl_getuser("bob")
        assert user is not None
        assert user["selectors"] == [[["commands", "-@all +set"], ["keys", "~x"], ["channels", ""]]]
        with pytest.raises(kvcore.CommandError, match="WRONGPASS"):
            store.execute("AUTH", "bob", "wrong")
        (denial,) = store.acl_log()
        assert (denial["reason"], denial["username"], denial["client-info"]["cmd"]) == ("auth", "bob", "auth")
        assert isinstance(denial["age-seconds"], float)


def test_rules_that_say_neither_more_nor_less() -> None:
    with kvcore.open() as store:
        for wrong in (
            {"passwords": "p"},
            {"categories": ["read"]},
            {"commands": ["get"]},
            {"selectors": [("set", "x")]},
        ):
            with pytest.raises(ValueError, match="begin with"):
                store.acl_setuser("bob", **wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="nopass"):
            store.acl_setuser("bob", nopass=True, passwords="+p")
        assert store.acl_users() == ["default"]
