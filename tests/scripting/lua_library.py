"""A bare interpreter with the four libraries, for their tests: Lua expressions in, Python values out."""

from __future__ import annotations

import lupa.lua51 as lupa
import pytest

from kvcore.scripting.libraries import install


class Lua:
    """Runs expressions in an interpreter of its own."""

    def __init__(self) -> None:
        self.runtime = lupa.LuaRuntime(encoding=None, register_eval=False)
        install(self.runtime)

    def __call__(self, expression: str, *arguments: object) -> object:
        """Return the value of an expression, in which ``...`` stands for the arguments; a tuple if there are more.

        The expression is an argument of a call, so that it is no tail call, as it would be behind `return`.
        """
        source = f"return (function(...) return ... end)({expression})"
        return self.runtime.execute(source.encode("latin-1"), *arguments, name=b"@user_script")

    def error(self, expression: str) -> str:
        """Return the message of the error that an expression raises, without its position."""
        with pytest.raises(lupa.LuaError) as caught:
            self(expression)
        text = str(caught.value).partition("\nstack traceback")[0]
        assert text.startswith("user_script:1: ")
        return text.removeprefix("user_script:1: ")
