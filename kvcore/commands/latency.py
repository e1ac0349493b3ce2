"""LATENCY: histograms of command times, and the spikes that the latency monitor saw.

Lives here: the commands and their texts. Must not live here: buckets and series (:mod:`kvcore.latency`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.call import Call
from kvcore.command import Command, command
from kvcore.errors import CommandError
from kvcore.helptext import container_help
from kvcore.latency import NEVER_NS, Series, histogram
from kvcore.replies import Reply, Verbatim

if TYPE_CHECKING:
    from kvcore.engine import Engine

_TIPS: Final = ("nondeterministic_output", "request_policy:all_nodes", "response_policy:special")
_HELP: Final = {"HISTOGRAM": "[<command> ...]", "HISTORY": "<event>", "RESET": "[<event> ...]", "GRAPH": "<event>"}

_COLUMNS: Final = 80
_ROWS: Final = 4
_FILL: Final = "_o#"
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


@command(
    "LATENCY",
    arity=-2,
    group="server",
    since="2.8.13",
    complexity="Depends on subcommand.",
    summary="Find out what keeps clients waiting.",
)
def latency(_call: Call, *_arguments: bytes) -> Reply:
    raise AssertionError("a container has no handler of its own")


@command(
    "LATENCY|HISTOGRAM",
    arity=-2,
    flags="admin noscript loading stale",
    group="server",
    since="7.0.0",
    complexity="O(N) where N is the number of commands with latency information being retrieved.",
    summary="Return how many calls of each command took up to 1, 2, 4 ... microseconds.",
    tips=_TIPS,
)
def latency_histogram(call: Call, *names: bytes) -> Reply:
    engine = call.engine
    if not names:
        chosen = every_record(engine)
    else:
        chosen = [record for name in names for record in _named(engine, name.lower())]
    found: dict[Reply, Reply] = {}
    for record in chosen:
        times = histogram(record)
        if times is not None:
            levels: dict[Reply, Reply] = dict(times.levels())
            found[record.full_name.encode()] = {b"calls": times.total, b"histogram_usec": levels}
    return found


def every_record(engine: Engine) -> list[Command]:
    """Return every command and subcommand once."""
    commands = dict.fromkeys(engine.commands.values())
    return [one for record in commands for one in (record, *(record.subcommands or {}).values())]


def _named(engine: Engine, name: bytes) -> list[Command]:
    """Return the command of that name with its subcommands, or the one subcommand."""
    container, bar, subcommand = name.partition(b"|")
    record = engine.commands.get(container)
    if record is None:
        return []
    subcommands = record.subcommands or {}
    if bar:
        return [subcommands[subcommand]] if subcommand in subcommands else []
    return [record, *subcommands.values()]


@command(
    "LATENCY|LATEST",
    arity=2,
    flags="admin noscript loading stale",
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Return the last and the worst spike of each event.",
    tips=_TIPS,
)
def latency_latest(call: Call) -> Reply:
    return [
        [event.encode(), *series.samples[-1], series.max_ms] for event, series in call.engine.latency.events.items()
    ]


@command(
    "LATENCY|HISTORY",
    arity=3,
    flags="admin noscript loading stale",
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Return the spikes of an event: time and milliseconds.",
    tips=_TIPS,
)
def latency_history(call: Call, event: bytes) -> Reply:
    series = call.engine.latency.events.get(errors.text(event))
    return [list(sample) for sample in series.samples] if series is not None else []


@command(
    "LATENCY|RESET",
    arity=-2,
    flags="admin noscript loading stale",
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Forget the spikes of some or all events.",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def latency_reset(call: Call, *events: bytes) -> Reply:
    known = call.engine.latency.events
    if not events:
        count = len(known)
        known.clear()
        return count
    return sum(known.pop(errors.text(event), None) is not None for event in events)


@command(
    "LATENCY|GRAPH",
    arity=3,
    flags="admin noscript loading stale",
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Draw the spikes of an event over time.",
    tips=_TIPS,
)
def latency_graph(call: Call, event: bytes) -> Reply:
    name = errors.text(event)
    series = call.engine.latency.events.get(name)
    if series is None:
        raise CommandError(errors.no_latency_samples(event))
    durations = [duration for _, duration in series.samples]
    heading = (
        f"{name} - high {max(durations)} ms, low {min(durations)} ms (all time high {series.max_ms} ms)\n"
        f"{'-' * _COLUMNS}\n"
    )
    now_s = call.now_ms() // 1000
    return Verbatim((heading + graph(series.samples, now_s)).encode("utf-8", "surrogateescape"))


def graph(samples: list[tuple[int, int]], now_s: int) -> str:
    """Draw columns with their age below, 80 to a line. O(samples).

    >>> print(graph([(90, 10), (95, 20)], 100).replace(" ", "."))
    .#
    .|
    .|
    _|
    ..
    15
    0s
    s.
    <BLANKLINE>
    """
    durations = [duration for _, duration in samples]
    least, most = min(durations), max(durations)
    steps = _ROWS * len(_FILL)
    parts: list[str] = []
    for start in range(0, len(samples), _COLUMNS):
        shown = samples[start : start + _COLUMNS]
        heights = [min(steps - 1, (duration - least) * steps // max(1, most - least)) for _, duration in shown]
        ages = [_age(now_s - at_s) for at_s, _ in shown]
        lines = ["".join(_cell(height - row * len(_FILL)) for height in heights) for row in reversed(range(_ROWS))]
        lines.append(" " * len(shown))
        depth = max(map(len, ages))
        lines += ["".join(age[at : at + 1] or " " for age in ages) for at in range(depth)]
        parts.append("".join(f"{line}\n" for line in lines))
    return "\n".join(parts)


def _cell(height: int) -> str:
    """Return what stands in a row for a column that reaches ``height`` steps into it."""
    if height < 0:
        return " "
    return _FILL[height] if height < len(_FILL) else "|"


def _age(seconds: int) -> str:
    for unit, letter in _UNITS:
        if seconds >= unit:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"


@command(
    "LATENCY|DOCTOR",
    arity=2,
    flags="admin noscript loading stale",
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Say what the spikes have in common, and what to do.",
    tips=_TIPS,
)
def latency_doctor(call: Call) -> Reply:
    engine = call.engine
    if engine.latency.threshold_ns == NEVER_NS:
        return _advice(
            ["The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> switches it on."]
        )
    events = engine.latency.events
    if not events:
        return _advice(["No spike so far: nothing has taken as long as latency-monitor-threshold."])
    lines = ["There were spikes.", ""]
    lines += [f"{number}. {_describe(name, events[name])}" for number, name in enumerate(events, 1)]
    lines += ["", "What may help:", ""]
    if "command" in events or "fast-command" in events:
        threshold_us = engine.latency.threshold_ns // 1000
        if engine.slow_ns > engine.latency.threshold_ns:
            lines.append(
                "- The slow log misses some of these commands: it keeps longer ones only. "
                f"CONFIG SET slowlog-log-slower-than {threshold_us} makes it keep them."
            )
        lines.append("- SLOWLOG GET shows the commands that took long.")
        lines.append("- A command's time grows with the values it touches: split values of many elements.")
    if "expire-cycle" in events:
        lines.append("- Many keys expire at a time: spread their deadlines, or lower active-expire-effort.")
    if "eviction-cycle" in events:
        lines.append("- Memory is short: raise maxmemory, or lower maxmemory-eviction-tenacity.")
    return _advice(lines)


def _describe(name: str, series: Series) -> str:
    durations = [duration for _, duration in series.samples]
    count = len(durations)
    average = sum(durations) / count
    deviation = sum(abs(duration - average) for duration in durations) / count
    period = (series.samples[-1][0] - series.samples[0][0]) / max(1, count - 1)
    return (
        f"{name}: {count} latency spikes (average {average:.0f}ms, mean deviation {deviation:.0f}ms, "
        f"period {period:.2f} sec). Worst all time event {series.max_ms}ms."
    )


def _advice(lines: list[str]) -> Reply:
    return Verbatim("".join(f"{line}\n" for line in lines).encode())


@command(
    "LATENCY|HELP",
    arity=2,
    flags="loading stale",
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="List the subcommands.",
)
def latency_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"latency"], _HELP)
