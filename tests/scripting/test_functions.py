"""The registry of function libraries, with a loader that is no interpreter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore import errors
from kvcore.errors import CommandError
from kvcore.rdb import sink
from kvcore.rdb.payload import seal
from kvcore.scripting.functions import FUNCTION2, Libraries, Library, read_metadata
from kvcore.scripting.scripts import ALLOW_OOM, NO_WRITES


class WordLoader:
    """Registers each word of a body; `!` in one is an error."""

    def run_body(self, library: Library, body: bytes) -> None:
        for word in body.split():
            if b"!" in word:
                raise CommandError("ERR boo")
            library.add(word, object())


@pytest.fixture
def libraries() -> Libraries:
    return Libraries(WordLoader())


def code(name: str, *functions: str) -> bytes:
    """Return the source of a library for the loader."""
    return f"#!lua name={name}\n{' '.join(functions)}".encode()


def contents(libraries: Libraries) -> dict[bytes, list[bytes]]:
    """Return the functions of each library, once everything in there fits together."""
    libraries.check()
    return {library.name: list(library.functions) for library in libraries.libraries()}


def refusal(libraries: Libraries, source: bytes, replace: bool = False) -> str:
    """Return the error of a load that must fail, and change nothing."""
    before = contents(libraries)
    with pytest.raises(CommandError) as caught:
        libraries.load(source, replace)
    assert contents(libraries) == before
    return str(caught.value)


def test_first_line() -> None:
    assert read_metadata(b"#!lua name=a\nrest\n") == (b"lua", b"a", b"\nrest\n")
    assert read_metadata(b'#!lua "NAME=a b"\n') == (b"lua", b"a b", b"\n")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (b"", errors.LIBRARY_NO_METADATA),
        (b"x", errors.LIBRARY_NO_METADATA),
        (b"#!lua name=a", errors.LIBRARY_BAD_METADATA),
        (b'#!lua "name\n', errors.LIBRARY_BAD_METADATA),
        (b"#!lua\n", errors.LIBRARY_NAME_MISSING),
        (b"#!lua name=a name=b\n", errors.LIBRARY_NAME_TWICE),
        (b"#!lua nom=a\n", errors.library_metadata_value(b"nom=a")),
        (b"#!lua name=\nf", errors.LIBRARY_NAME),
        (b"#!lua name=a-b\nf", errors.LIBRARY_NAME),
        (b"#!js name=a\nf", errors.no_function_engine(b"js")),
        (b"#!lua name=a\n", errors.LIBRARY_EMPTY),
        (b"#!lua name=a\nf f", errors.FUNCTION_EXISTS_IN_LIBRARY),
        (b"#!lua name=a\nf-g", errors.LIBRARY_NAME),
        (b"#!lua name=a\nf !", "ERR boo"),
    ],
)
def test_refused(libraries: Libraries, source: bytes, error: str) -> None:
    assert refusal(libraries, source) == error


def test_load_and_find(libraries: Libraries) -> None:
    assert libraries.load(code("a", "f", "g")) == b"a"
    found = libraries.find(b"F")
    assert found is not None
    assert found.name == b"f"
    assert libraries.find(b"h") is None
    assert (len(libraries), libraries.count_functions()) == (1, 2)
    assert libraries.size_bytes() > len(code("a", "f", "g"))


def test_clashes(libraries: Libraries) -> None:
    libraries.load(code("a", "f"))
    libraries.load(code("A", "g"))
    assert refusal(libraries, code("a", "h")) == errors.library_exists(b"a")
    assert refusal(libraries, code("b", "F")) == errors.function_exists(b"F")
    assert refusal(libraries, code("a", "h", "g"), replace=True) == errors.function_exists(b"g")
    assert refusal(libraries, code("a", "!"), replace=True) == "ERR boo"
    libraries.load(code("a", "F", "h"), replace=True)
    assert contents(libraries) == {b"A": [b"g"], b"a": [b"F", b"h"]}


def test_names_that_differ_in_case_within_a_library(libraries: Libraries) -> None:
    libraries.load(code("a", "f", "F"))
    assert contents(libraries) == {b"a": [b"f", b"F"]}
    libraries.load(code("a", "g"), replace=True)
    assert libraries.find(b"f") is None


def test_delete_and_clear(libraries: Libraries) -> None:
    libraries.load(code("a", "f"))
    libraries.load(code("b", "g"))
    assert libraries.delete(b"a")
    assert not libraries.delete(b"a")
    assert libraries.find(b"f") is None
    libraries.clear()
    assert contents(libraries) == {}
    assert libraries.find(b"g") is None


def test_dump_and_restore(libraries: Libraries) -> None:
    assert libraries.dump().hex() == "0a005d9b5c400f7fa2da"
    libraries.load(code("a", "f"))
    libraries.load(code("b", "g"))
    payload = libraries.dump()
    assert payload.startswith(FUNCTION2 + b"\x0e#!lua name=a\nf" + FUNCTION2)
    other = Libraries(WordLoader())
    other.restore(payload)
    assert contents(other) == contents(libraries)
    assert other.codes() == libraries.codes()


def test_restore_changes_all_or_nothing(libraries: Libraries) -> None:
    libraries.load(code("a", "f"))
    libraries.load(code("b", "g"))
    before = contents(libraries)

    def payload(*sources: bytes) -> bytes:
        return seal(b"".join(FUNCTION2 + sink.string(source, True) for source in sources))

    for sources, error in (
        ((code("c", "h"), code("a", "x")), errors.library_exists_restoring(b"a")),
        ((code("c", "h"), code("d", "G")), errors.function_exists(b"G")),
        ((code("c", "h"), code("c", "i")), errors.library_exists(b"c")),
        ((code("c", "h"), code("d", "H")), errors.function_exists(b"H")),
        ((code("c", "h"), code("d", "!")), "ERR boo"),
        ((code("c", "h"), b"x"), errors.LIBRARY_NO_METADATA),
    ):
        with pytest.raises(CommandError, match=r".") as caught:
            libraries.restore(payload(*sources))
        assert str(caught.value) == error
        assert contents(libraries) == before
    with pytest.raises(CommandError):
        libraries.restore(payload(code("a", "x"), code("c", "g")), replace=True)
    assert contents(libraries) == before
    libraries.restore(payload(code("a", "x")), replace=True)
    assert contents(libraries) == {b"b": [b"g"], b"a": [b"x"]}
    libraries.restore(payload(code("c", "g")), flush=True)
    assert contents(libraries) == {b"c": [b"g"]}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"\x00\x01a", errors.FUNCTIONS_WRONG_TYPE),
        (b"\xf5", errors.FUNCTIONS_BAD_PAYLOAD),
        (b"\xf5\x10abc", errors.FUNCTIONS_BAD_PAYLOAD),
        (b"\xf5\x80\xff\xff\xff\xffabc", errors.FUNCTIONS_BAD_PAYLOAD),
        (b"\xf6\x01a", errors.FUNCTIONS_BAD_PAYLOAD),
    ],
)
def test_bad_payloads(libraries: Libraries, body: bytes, error: str) -> None:
    with pytest.raises(CommandError) as caught:
        libraries.restore(seal(body))
    assert str(caught.value) == error


@pytest.mark.parametrize("payload", [b"", b"x", bytes(9), seal(b"")[:-1] + b"\0", seal(b"", 99)])
def test_payloads_without_a_right_footer(libraries: Libraries, payload: bytes) -> None:
    with pytest.raises(CommandError, match=r"checksum"):
        libraries.restore(payload)


@given(body=st.binary(max_size=40))
def test_any_payload_is_read_or_refused(body: bytes) -> None:
    libraries = Libraries(WordLoader())
    try:
        libraries.restore(seal(b"\xf5" + body))
    except CommandError:
        assert contents(libraries) == {}


def test_the_payload_of_release_candidates_is_read(libraries: Libraries) -> None:
    libraries.restore(seal(b"\xf6\x01a\x03LUA\x00\x01f" + b"\xf6\x01b\x03LUA\x01\x04text\x01g"))
    assert libraries.codes() == [b"#!LUA name=a\nf", b"#!LUA name=b\ng"]


def test_keep_holds_a_source_without_running_it(libraries: Libraries) -> None:
    libraries.keep(code("a", "!"))
    libraries.keep(code("a", "f"))
    assert libraries.codes() == [code("a", "f")]
    assert contents(libraries) == {b"a": []}


def test_flags_are_named_in_their_order() -> None:
    library = Library(b"a", b"")
    library.add(b"f", object(), ALLOW_OOM | NO_WRITES, b"text")
    assert library.functions[b"f"].flag_names == [b"no-writes", b"allow-oom"]
