"""Which of a picture's objects the words of an answer name: the browser knows no synonyms and no plurals."""

from __future__ import annotations

from collections.abc import Sequence

from clvs_core.objects.words import mentions
from viz.viewer.contract import Method, Token


def naming(methods: Sequence[Method], objects: Sequence[str]) -> list[Method]:
    """The methods with, beside each token of their answers that names one of `objects` or is a part of its name, which.

    What has come of an answer is read as a whole, so that all tokens of "hot dog" and of "gir|affe" name it.
    """
    return [{**method, "tokens": _naming(method["tokens"], objects)} for method in methods]


def _naming(tokens: Sequence[Token], objects: Sequence[str]) -> list[Token]:
    found = mentions("".join(token["text"] for token in tokens), objects)
    result: list[Token] = []
    start = 0
    for token in tokens:
        end = start + len(token["text"])
        word = start + len(token["text"]) - len(token["text"].lstrip())  # the space before it belongs to none
        name = next((each.name for each in found if word < each.end and each.start < end), None)
        result.append(token if name is None else {**token, "names": name})
        start = end
    return result
