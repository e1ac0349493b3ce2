"""Front ends: where bytes, sockets, threads and event loops live."""
