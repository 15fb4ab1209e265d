"""What can be asked of the shipped model: `python -m assets.recipes.vocabulary` writes it beside the weights.

The page's question builder reads it: objects with their plurals, colours, relations, the plainest wording of each kind
of question, and all words of the tokenizer, for which an unknown one may have been meant.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .categories import BY_NAME, COLOURS, NAMES
from .phrases import FORMS
from .questions import DIRECTIONS
from .tokenizer import SPECIAL, vocabulary

FILE = Path(__file__).resolve().parents[1] / "scenes_model" / "vocabulary.json"
KINDS = ("exists", "coloured_exists", "count", "colour", "is_colour", "where", "relation", "beside", "contact", "list")
HOLES = {
    "name": "{object}",
    "a_name": "{a_object}",
    "plural": "{plural}",
    "colour": "{colour}",
    "a_colour_name": "{a_colour} {object}",
    "first": "{object}",
    "second": "{other}",
    "relation": "{relation}",
    "direction": "{relation}",
}


def facts() -> dict[str, Any]:
    """objects: {name: plural}; forms: wordings with holes; words: as they are written in questions."""
    return {
        "objects": {name: BY_NAME[name].plural for name in NAMES},
        "colours": list(COLOURS),
        "relations": list(DIRECTIONS),
        "forms": [FORMS[kind][0].format(**HOLES) for kind in KINDS],
        "words": [word.replace("_", " ") for word in vocabulary() if word not in SPECIAL],
    }


def main() -> None:
    FILE.write_text(json.dumps(facts(), indent=1) + "\n")


if __name__ == "__main__":
    main()
