"""Access control lists: who may run which command on which keys and channels.

Lives here: users, their rules, the checks, the log of refusals, in one module each. Must not live here: the commands
(:mod:`kvcore.commands.access_control`, AUTH and HELLO), files (a port, :class:`kvcore.ports.TextFile`) and the order
of the checks before a command (:mod:`kvcore.dispatch`). The rule: rules name commands as they were declared, so that
`rename-command` changes no one's permissions.

``engine.acl`` is an :class:`~kvcore.acl.control.AccessControl`. What other parts of the engine need of it:

- ``engine.acl.check(session, command, argv)`` says what a user may not do, None if it may;
- ``session.account`` is the user, ``session.gate & RESTRICTED`` whether there is anything to check at all.
"""
