"""Methods for users and what they may do (ACL), named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``.
"""

from __future__ import annotations

from collections.abc import Sequence

from kvcore.frontends.store_base import Commands, T, Value, as_bool, as_dict, as_text, flags, same
from kvcore.replies import Reply

_KEY_PREFIXES = ("~", "%")


def _texts(reply: Reply) -> list[str]:
    return [as_text(item) for item in reply]


def _status(reply: Reply) -> str | Reply:
    """Return what is text whichever kind of string it came as."""
    return as_text(reply) if isinstance(reply, bytes | str) else reply


def _selector(reply: Reply) -> list[list[str]]:
    return [[as_text(name), as_text(rules)] for name, rules in as_dict(reply).items()]


def _as_user(reply: Reply) -> dict[str, Reply] | None:
    """Return what redis-py makes of ACL GETUSER: rules in lists, those of commands apart from those of categories."""
    if reply is None:
        return None
    user: dict[str, Reply] = {as_text(name): value for name, value in as_dict(reply).items()}
    rules = as_text(user["commands"]).split()
    user["flags"] = _texts(user["flags"])
    user["passwords"] = _texts(user["passwords"])
    user["commands"] = [rule for rule in rules if "@" not in rule]
    user["categories"] = [rule for rule in rules if "@" in rule]
    for name in ("keys", "channels"):
        user[name] = as_text(user[name]).split()
    user["selectors"] = [_selector(selector) for selector in user["selectors"]]
    user["enabled"] = "on" in user["flags"]
    return user


def _as_denials(reply: Reply) -> list[dict[str, Reply]]:
    denials = []
    for item in reply:
        denial = {as_text(name): _status(value) for name, value in as_dict(item).items()}
        denial["age-seconds"] = float(denial["age-seconds"])
        client = (word.partition("=") for word in denial["client-info"].split(" "))
        denial["client-info"] = {name: value for name, _, value in client}
        denials.append(denial)
    return denials


def _rules(kind: str, rules: str | Sequence[str] | None, add: str, remove: str, of: str = "") -> list[str]:
    """Return rules that begin with a plus or minus in ACL SETUSER's own words."""
    if rules is None:
        return []
    words = []
    for rule in [rules] if isinstance(rules, str) else rules:
        sign, name = rule[:1], rule[1:].removeprefix(of)
        if sign not in ("+", "-"):
            raise ValueError(f'{kind} begin with "+" to be added, or "-" to be removed, not as {rule!r} does')
        words.append((add if sign == "+" else remove) + name)
    return words


def _pattern(key: str) -> str:
    return key if key.startswith(_KEY_PREFIXES) else f"~{key}"


class AccessCommands(Commands[T]):
    """Commands on users."""

    __slots__ = ()

    def acl_cat(self, category: str | None = None) -> list[str]:
        """Return the categories of commands, or the commands of one."""
        return self._call(_texts, b"ACL", b"CAT", *([] if category is None else [category]))

    def acl_deluser(self, *username: str) -> int:
        """Delete users; return how many existed."""
        return self._call(same, b"ACL", b"DELUSER", *username)

    def acl_dryrun(self, username: str, *args: Value) -> T:
        """Return ``OK`` if a user may run a command, otherwise why not; nothing is run."""
        return self._call_status(same, b"ACL", b"DRYRUN", username, *args)

    def acl_genpass(self, bits: int | None = None) -> str:
        """Return a random password of so many bits, 256 without a number."""
        return self._call(as_text, b"ACL", b"GENPASS", *([] if bits is None else [bits]))

    def acl_getuser(self, username: str) -> dict[str, Reply] | None:
        """Return the rules of a user, None if there is none."""
        return self._call(_as_user, b"ACL", b"GETUSER", username)

    def acl_help(self) -> list[str]:
        """Return what ACL can do, in lines."""
        return self._call(_texts, b"ACL", b"HELP")

    def acl_list(self) -> list[str]:
        """Return the users, each with its rules in one line."""
        return self._call(_texts, b"ACL", b"LIST")

    def acl_load(self) -> bool:
        """Read the users of the ACL file in place of the present ones."""
        return self._call(as_bool, b"ACL", b"LOAD")

    def acl_log(self, count: int | None = None) -> list[dict[str, Reply]]:
        """Return what was refused of late, newest first."""
        return self._call(_as_denials, b"ACL", b"LOG", *([] if count is None else [count]))

    def acl_log_reset(self) -> bool:
        """Empty the log of what was refused."""
        return self._call(as_bool, b"ACL", b"LOG", b"RESET")

    def acl_save(self) -> bool:
        """Write the users to the ACL file."""
        return self._call(as_bool, b"ACL", b"SAVE")

    def acl_setuser(
        self,
        username: str,
        enabled: bool = False,
        nopass: bool = False,
        passwords: str | Sequence[str] | None = None,
        hashed_passwords: str | Sequence[str] | None = None,
        categories: Sequence[str] | None = None,
        commands: Sequence[str] | None = None,
        keys: Sequence[str] | None = None,
        channels: Sequence[str] | None = None,
        selectors: Sequence[tuple[str, str]] | None = None,
        reset: bool = False,
        reset_keys: bool = False,
        reset_channels: bool = False,
        reset_passwords: bool = False,
    ) -> bool:
        """Make a user, or change one.

        Passwords, categories and commands begin with ``+`` to be added or ``-`` to be removed; keys and channels are
        patterns, and selectors pairs of a command and a key's pattern.
        """
        if nopass and (passwords is not None or hashed_passwords is not None):
            raise ValueError("a user has passwords, or needs none with nopass=True, not both")
        words = flags(RESET=reset, RESETKEYS=reset_keys, RESETCHANNELS=reset_channels, RESETPASS=reset_passwords)
        words.append("on" if enabled else "off")
        words += _rules("passwords", passwords, ">", "<")
        words += _rules("passwords", hashed_passwords, "#", "!")
        words += flags(NOPASS=nopass)
        words += _rules("categories", categories, "+@", "-@", of="@")
        words += _rules("commands", commands, "+", "-")
        words += [_pattern(key) for key in keys or ()]
        words += [f"&{channel}" for channel in channels or ()]
        for command, key in selectors or ():
            rule = _rules("commands", command, "+", "-")[0]
            words.append(f"({rule} {_pattern(key)})")
        return self._call(as_bool, b"ACL", b"SETUSER", username, *words)

    def acl_users(self) -> list[str]:
        """Return the names of the users."""
        return self._call(_texts, b"ACL", b"USERS")

    def acl_whoami(self) -> str:
        """Return the user of this session."""
        return self._call(as_text, b"ACL", b"WHOAMI")
