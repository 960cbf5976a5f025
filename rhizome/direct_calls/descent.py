"""Rows that go down many trees together: for few rows, a call for each tree costs more than the tree."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rhizome.direct_calls.learner import Array


class Tree(NamedTuple):
    """Nodes of one tree: a row goes left where its feature is not above the threshold; a leaf is its own child."""

    feature: Array
    threshold: Array
    children: Array
    depth: int


def build_tree(is_leaf: Array, feature: Array, threshold: Array, children: tuple[Array, Array], depth: int) -> Tree:
    """A tree from its nodes, as libraries keep them: what a leaf's other fields hold is of no meaning."""
    itself = np.arange(len(is_leaf))
    both = np.column_stack([np.where(is_leaf, itself, child) for child in children])
    return Tree(np.where(is_leaf, 0, feature), np.where(is_leaf, np.inf, threshold), both, depth)


class Trees:
    """Trees side by side: rows go down all of them a level at a time, by a few array operations for each level.

    Args:
        trees: in the order in which their values are added up.
        values: of all their nodes, one tree behind the other: shape (nodes, columns), or (nodes,) with `initial`.
        initial: shape (columns,): what the sums begin with; tree i then belongs to column i modulo `columns`.
    """

    def __init__(self, trees: Sequence[Tree], values: Array, initial: Array | None = None) -> None:
        starts = np.cumsum([0, *(len(tree.feature) for tree in trees)])
        self._roots = starts[:-1].astype(np.intp)
        self._feature = np.concatenate([tree.feature for tree in trees]).astype(np.intp)
        self._threshold = np.concatenate([tree.threshold for tree in trees]).astype(np.float64)
        children = [tree.children + start for tree, start in zip(trees, starts[:-1], strict=True)]
        self._children = np.concatenate(children).astype(np.intp).reshape(-1)
        self._levels = max(tree.depth for tree in trees)
        self._values = np.ascontiguousarray(values, dtype=np.float64)
        self._initial = initial

    def add_up(self, rows: Array) -> Array:
        """What the trees say of `rows`, added up in order: shape (n rows, columns)."""
        count = len(rows)
        found = self._values.take(self._descend(rows), axis=0)
        if self._initial is None:
            found = found.reshape(len(self._roots), -1)
            found[0] += 0.0  # as a sum that begins with zero has no negative zero
            return _add_in_order(found).reshape(count, -1)
        columns = len(self._initial)
        found = found.reshape(-1, columns, count)
        found[0] += self._initial[:, np.newaxis]
        return _add_in_order(found.reshape(len(found), -1)).reshape(columns, count).T

    def _descend(self, rows: Array) -> Array:
        """The leaves that `rows` reach, tree after tree."""
        count, features = rows.shape
        flat = rows.astype(np.float64).reshape(-1)
        node = self._roots.repeat(count)
        first = np.tile(np.arange(0, count * features, features), len(self._roots))
        for _ in range(self._levels):
            is_right = flat.take(self._feature.take(node) + first) > self._threshold.take(node)
            node = self._children.take(2 * node + is_right)
        return node


def _add_in_order(terms: Array) -> Array:
    """The sum of the rows, one after the other."""
    if terms.shape[1] == 1:  # NumPy adds up what lies side by side in another order
        return np.asarray(np.add.accumulate(terms, axis=0)[-1])
    return np.asarray(np.add.reduce(terms, axis=0))
