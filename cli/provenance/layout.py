"""A small layered drawing of a graph without cycles: columns from left to right, few crossings, short edges.

In the manner of Sugiyama, Tagawa and Toda (1981): every node has a column; an edge over several columns gets a
bend in each; the order within a column follows the neighbours' places; then everything is moved near to them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import fmean

_SWEEPS = 8
_CROSSINGS_COUNTED_MAX = 20_000
"""With more pairs of edges between two columns, crossings are not counted and the first order stays."""

Key = str
Edge = tuple[Key, Key]


@dataclass(frozen=True, slots=True)
class Spacing:
    """Distances in pixels."""

    node_width: float
    column_gap: float
    row_gap: float
    bend_height: float
    """Room that an edge takes in a column that it passes."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Where everything is."""

    places: Mapping[Key, tuple[float, float]]
    """Left upper corner of each node."""
    routes: Mapping[Edge, tuple[tuple[float, float], ...]]
    """Points that each edge goes through, its ends among them."""
    width: float
    height: float


def columns_from(root: Key, order: Sequence[Key], edges: Iterable[Edge]) -> dict[Key, int]:
    """A column for every node, so that all edges go to the right: ``root`` in column 0, what leads to it left of it,
    all else right of what leads to that.

    Args:
        root: one of the nodes.
        order: all nodes, each after those that lead to it.
        edges: pairs of nodes, from and to.
    """
    before: dict[Key, list[Key]] = {key: [] for key in order}
    after: dict[Key, list[Key]] = {key: [] for key in order}
    for start, end in edges:
        after[start].append(end)
        before[end].append(start)
    columns = {root: 0}
    for key in reversed(order):
        leads_to = [columns[end] for end in after[key] if end in columns]
        if leads_to and key != root:
            columns[key] = min(leads_to) - 1
    for key in order:
        if key not in columns:
            columns[key] = max((columns[start] for start in before[key]), default=0) + 1
    return columns


def draw(heights: Mapping[Key, float], columns: Mapping[Key, int], edges: Sequence[Edge], spacing: Spacing) -> Drawing:
    """Place nodes and edges.

    Args:
        heights: of the nodes, in the order that those of a column shall have where nothing speaks for another.
        columns: of the nodes; every edge goes to a higher one.
        edges: each once.
        spacing: distances.
    """
    return _Drawer(heights, columns, edges, spacing).drawing()


class _Drawer:
    def __init__(
        self, heights: Mapping[Key, float], columns: Mapping[Key, int], edges: Sequence[Edge], spacing: Spacing
    ) -> None:
        self._spacing = spacing
        self._heights = dict(heights)
        self._first = min(columns.values())
        self._columns: list[list[Key]] = [[] for _ in range(max(columns.values()) - self._first + 1)]
        for key in heights:
            self._columns[columns[key] - self._first].append(key)
        self._paths = {edge: self._path(edge, columns) for edge in edges}
        steps = [step for path in self._paths.values() for step in pairwise(path)]
        self._before: dict[Key, list[Key]] = {key: [] for key in self._heights}
        self._after: dict[Key, list[Key]] = {key: [] for key in self._heights}
        for start, end in dict.fromkeys(steps):
            self._after[start].append(end)
            self._before[end].append(start)
        self._middles: dict[Key, float] = {}

    def _path(self, edge: Edge, columns: Mapping[Key, int]) -> list[Key]:
        """The nodes of an edge, with a bend in each column between them."""
        start, end = edge
        path = [start]
        for column in range(columns[start] + 1, columns[end]):
            bend = f"{start} {end} {column}"
            self._heights[bend] = self._spacing.bend_height
            self._columns[column - self._first].append(bend)
            path.append(bend)
        return [*path, end]

    def drawing(self) -> Drawing:
        self._order()
        self._move()
        top = min(self._middles[key] - height / 2 for key, height in self._heights.items())
        step = self._spacing.node_width + self._spacing.column_gap
        lefts = {key: number * step for number, column in enumerate(self._columns) for key in column}
        places = {key: (lefts[key], self._middles[key] - height / 2 - top) for key, height in self._heights.items()}
        routes = {}
        for edge, path in self._paths.items():
            points = [(lefts[path[0]] + self._spacing.node_width, self._middles[path[0]] - top)]
            for bend in path[1:-1]:
                middle = self._middles[bend] - top
                points += [(lefts[bend], middle), (lefts[bend] + self._spacing.node_width, middle)]
            routes[edge] = (*points, (lefts[path[-1]], self._middles[path[-1]] - top))
        bottom = max(places[key][1] + height for key, height in self._heights.items())
        return Drawing(places, routes, len(self._columns) * step - self._spacing.column_gap, bottom)

    def _order(self) -> None:
        """Order each column by the middle of its nodes' neighbours, to and fro; keep the best order that was met."""
        best, fewest = [list(column) for column in self._columns], self._crossings()
        for sweep in range(_SWEEPS):
            forwards = sweep % 2 == 0
            neighbours = self._before if forwards else self._after
            for column in self._columns if forwards else reversed(self._columns):
                ranks = self._ranks()
                column.sort(key=lambda key: fmean(map(ranks.__getitem__, neighbours[key] or [key])))
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(column) for column in self._columns], crossings
        self._columns = best

    def _ranks(self) -> dict[Key, float]:
        """The place of each node in its column, from 0 to 1."""
        return {key: (rank + 0.5) / len(column) for column in self._columns for rank, key in enumerate(column)}

    def _crossings(self) -> int:
        ranks = self._ranks()
        crossings = 0
        for column in self._columns:
            steps = [(ranks[start], ranks[end]) for start in column for end in self._after[start]]
            if len(steps) ** 2 > 2 * _CROSSINGS_COUNTED_MAX:
                continue
            crossings += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(steps, 2))
        return crossings

    def _move(self) -> None:
        """Stack the columns, then move each node as near to its neighbours as those above and below it allow."""
        for column in self._columns:
            self._stack(column, dict.fromkeys(column, 0.0))
        for _ in range(_SWEEPS // 2):
            for columns, neighbours in ((self._columns, self._before), (self._columns[::-1], self._after)):
                for column in columns:
                    wanted = {key: fmean(self._middles[other] for other in neighbours[key] or [key]) for key in column}
                    self._stack(column, wanted)

    def _stack(self, column: list[Key], wanted: Mapping[Key, float]) -> None:
        """Give the nodes of a column their places: in order, without overlap, on the whole where they want to be."""
        floor = float("-inf")
        for key in column:
            half = self._heights[key] / 2
            self._middles[key] = max(wanted[key], floor + half)
            floor = self._middles[key] + half + self._spacing.row_gap
        error = fmean(wanted[key] - self._middles[key] for key in column)
        for key in column:
            self._middles[key] += error
