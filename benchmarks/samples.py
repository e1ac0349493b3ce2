"""Samples of two sides and what is said about them: medians, their ratio, the spread of the rounds."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Comparison:
    """Operations per second of both sides, one sample a round, taken in turns."""

    what: str
    peer: str
    our_rounds: tuple[float, ...]
    their_rounds: tuple[float, ...]

    @property
    def ours(self) -> float:
        """Return kvcore's median."""
        return median(self.our_rounds)

    @property
    def theirs(self) -> float:
        """Return the peer's median."""
        return median(self.their_rounds)

    @property
    def ratio(self) -> float:
        """Return kvcore's median over the peer's: above 1, kvcore is faster."""
        return self.ours / self.theirs

    @property
    def spread(self) -> tuple[float, float]:
        """Return the lowest and highest ratio of the rounds: how far the ratio can be trusted."""
        ratios = [ours / theirs for ours, theirs in zip(self.our_rounds, self.their_rounds, strict=True)]
        return min(ratios), max(ratios)

    def as_dict(self) -> dict[str, object]:
        """Return what the JSON keeps."""
        low, high = self.spread
        return {
            "what": self.what,
            "peer": self.peer,
            "kvcore_per_second": round(self.ours),
            "peer_per_second": round(self.theirs),
            "ratio": round(self.ratio, 3),
            "spread": [round(low, 3), round(high, 3)],
        }
