"""Lua scripts: the interpreter, what scripts may see of it, and `redis.*`.

:mod:`~kvcore.scripting.runtime` is a Lua state, :mod:`~kvcore.scripting.sandbox` what a script finds in it,
:mod:`~kvcore.scripting.bridge` how it runs commands, :mod:`~kvcore.scripting.scripts` the engine's scripts, their
limits and who may stop them. Importing this package imports no Lua: the interpreter (lupa) is part of the extra
``kvcore[server]``, and is loaded when the first script runs.
"""
