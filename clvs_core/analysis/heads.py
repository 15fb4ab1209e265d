"""Which attention heads cause hallucinations: the attribution that AD-HH's lists are made by.

Procedure and sign from TianyunYoung/Hallucination-Attribution @841fc1b (identify_attention_head.py). In every caption
that names something which is not in the picture, at every word for an object, one head at a time falls silent in the
row that predicts the word (its slice of what goes into o_proj is 0), and

    influence = p(word) - p(word with the head silent)           above 0: the head argues for the word
    score     = mean influence on hallucinated words - mean influence on grounded words

so that the first heads of the list argue for what is not there more than for what is. As there, a word is its first
token, and captions without a hallucination count for nothing. Unlike there, a word is found by where it stands in the
caption, not by the text of its token, and the silent rows of many heads and words share one pass: each is one more row
behind the keys and values of the same caption, which are computed once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..engine.attention import SharedKeys, softmax_rows
from ..engine.images import EncodedImage
from ..engine.model import Model
from ..engine.questions import Tail, question_segments
from ..engine.segments import ImageSegment, QuestionSegment
from ..errors import ClvsError, QuestionError
from ..key_objects import CocoInstances
from ..methods import Vanilla
from ..models.prompts import CHAT
from ..names import FileNames, base
from ..objects.words import coco_name, mentions

QUESTION = "Please describe this image in detail."  # what the published captions answer
LONGEST = 128  # tokens of a caption there
_NUMBERS = 1 << 25  # scores of one pass at most: bounds its memory
Span = tuple[int, int]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Caption:
    """A caption and the characters text[start:end] of its words for objects that are not there, and that are.

    picture: what `Model.open_image` takes. objects: (name, hallucinated or not) of what the words were taken for.
    """

    picture: Any
    text: str
    hallucinated: tuple[Span, ...]
    grounded: tuple[Span, ...]

    def words(self, spans: Iterable[Span]) -> list[str]:
        return [self.text[start:end] for start, end in spans]


@dataclass(frozen=True)
class HeadReport:
    """How much more each head argues for words that are not there. L layers, H heads, 0-based.

    captions: how many had a hallucination, of so many read. words: numbers of hallucinated and of grounded ones.
    hallucinated, grounded: (L, H) mean influence on them. error: (L, H) standard error of the score, captions taken as
    independent. halves: correlation over heads of the scores from every other caption with those from the rest: near 0
    where the ranking is chance, NaN with fewer than two captions in a half.
    """

    model: str
    question: str
    prompt: str
    read: int
    captions: int
    words: tuple[int, int]
    hallucinated: np.ndarray
    grounded: np.ndarray
    error: np.ndarray
    halves: float

    @property
    def scores(self) -> np.ndarray:
        """(L, H)"""
        return self.hallucinated - self.grounded

    def top(self, count: int, first: int = 0) -> list[tuple[int, int]]:
        """The `count` heads of layer `first` and later with the highest scores, highest first; only those above 0.

        Early heads may rank high because they read the question, and silencing them harms every answer.
        """
        order = np.argsort(-self.scores, axis=None, kind="stable")
        places = (divmod(int(flat), self.scores.shape[1]) for flat in order if self.scores.flat[flat] > 0)
        return [(layer, head) for layer, head in places if layer >= first][:count]


def find_heads(
    model: Model,
    captions: Iterable[Caption],
    question: str = QUESTION,
    prompt: str = CHAT,
    progress: Progress | None = None,
) -> HeadReport:
    """Ranks the heads of a model by captions of its own (or of one like it), in answer to `question`.

    captions: see `read_captions` and `describe`. progress: told how many captions with hallucinations are done, of how
    many. Raises ClvsError where no caption has both a hallucinated and a grounded word, and for pictures or captions
    that the model cannot take.
    """
    every = list(captions)
    used = [caption for caption in every if caption.hallucinated]
    found: list[tuple[Tensor, Tensor]] = []
    for number, caption in enumerate(used):
        found.append(influences(model, caption, question, prompt))
        if progress:
            progress(number + 1, len(used))
    said, seen = ([one[kind].numpy() for one in found] for kind in (0, 1))
    if not any(map(len, said)) or not any(map(len, seen)):
        raise ClvsError(
            f"Of {len(every)} captions, {len(used)} name something that is not in their picture, but ranking heads "
            "takes words of both kinds; give more captions, or harder pictures."
        )
    words = sum(map(len, said)), sum(map(len, seen))
    halves = [_score(said[start::2], seen[start::2]) for start in (0, 1)]
    return HeadReport(
        model=model.name,
        question=question,
        prompt=prompt,
        read=len(every),
        captions=len(used),
        words=words,
        hallucinated=np.concatenate(said).mean(0),
        grounded=np.concatenate(seen).mean(0),
        error=np.sqrt(_squared_error(said) + _squared_error(seen)),
        halves=_correlation(*halves),
    )


def _score(said: Sequence[np.ndarray], seen: Sequence[np.ndarray]) -> np.ndarray | None:
    """(L, H), or None where there are no words of one kind."""
    if not any(map(len, said)) or not any(map(len, seen)):
        return None
    return np.concatenate(said).mean(0) - np.concatenate(seen).mean(0)


def _squared_error(several: Sequence[np.ndarray]) -> np.ndarray:
    """Squared standard error (L, H) of the mean over all words of some captions, (words, L, H) each.

    The words of one caption are not independent: what varies is a caption's whole deviation (a ratio estimator).
    """
    mean = np.concatenate(several).mean(0)
    deviations = np.stack([(values - mean).sum(0) for values in several])
    return (deviations**2).sum(0) / sum(map(len, several)) ** 2


def _correlation(one: np.ndarray | None, other: np.ndarray | None) -> float:
    if one is None or other is None or not one.std() or not other.std():
        return math.nan
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


# --- silencing heads --------------------------------------------------------------------------------------------


def influences(model: Model, caption: Caption, question: str = QUESTION, prompt: str = CHAT) -> tuple[Tensor, Tensor]:
    """p(word) - p(word with one head silent) of a caption's hallucinated and of its grounded words.

    Returns (words, L, H) each, float64 on the CPU; words are in the order of their spans, and a span without a token of
    its own counts once. Raises QuestionError for a caption that does not fit the model.
    """
    image = model.open_image(caption.picture, prompt)
    ids, steps = _tokens(model, image, caption, question, prompt)
    places = list(dict.fromkeys(step for kind in steps for step in kind))
    segment = question_segments(model.hf, image.segment, [Tail(tuple(ids), None)])[0]
    chances = silent_chances(model, image.segment, segment, places)
    change = chances[:, -1:] - chances[:, :-1]
    by_place = dict(zip(places, change.reshape(-1, model.layers, model.heads), strict=True))
    empty = change.new_zeros(0, model.layers, model.heads)
    said, seen = (torch.stack([by_place[step] for step in kind]) if kind else empty for kind in steps)
    return said, seen


def _tokens(
    model: Model, image: EncodedImage, caption: Caption, question: str, prompt: str
) -> tuple[list[int], tuple[list[int], list[int]]]:
    """Ids of everything after the picture, and where in them the two kinds of words begin."""
    tail = model.prompts.tail(question, prompt)
    said = model.tokenizer(caption.text, add_special_tokens=False, return_offsets_mapping=True)
    ids = [*tail, *said["input_ids"]]
    if image.segment.length + len(ids) > model.context:
        raise QuestionError(
            f"A caption of {len(said['input_ids'])} tokens does not fit the model behind its picture; shorten it."
        )
    starts = [
        list(dict.fromkeys(len(tail) + _first(said["offset_mapping"], start) for start, _ in spans))
        for spans in (caption.hallucinated, caption.grounded)
    ]
    return ids, (starts[0], starts[1])


def _first(offsets: Sequence[Span], start: int) -> int:
    """The first token that reaches behind character `start`; a token's own text may begin with the space before it."""
    return next(i for i, (_, end) in enumerate(offsets) if end > start)


@torch.no_grad()
def silent_chances(model: Model, image: ImageSegment, caption: QuestionSegment, places: Sequence[int]) -> Tensor:
    """(places, L * H + 1) probability of caption.ids[place] with each head silent in the row before it.

    Heads layer by layer; the last column is without silence. float64 on the CPU.
    """
    layers, heads = model.layers, model.heads
    silent = torch.arange(layers * heads + 1)
    rows = torch.cartesian_prod(torch.tensor(places), silent)
    each = heads * (image.length + caption.length + 1) + model.hf.config.get_text_config().vocab_size
    found = [_pass(model, image, caption, some, heads) for some in rows.split(max(1, _NUMBERS // each))]
    return torch.cat(found).reshape(len(places), -1)


def _pass(model: Model, image: ImageSegment, caption: QuestionSegment, rows: Tensor, heads: int) -> Tensor:
    """(R,) probabilities for R rows of (place, silent head)."""
    hf, device = model.hf, image.device
    ids = torch.tensor(caption.ids)
    before = rows[:, 0] - 1
    run = _SilentRows(image, caption, before, rows[:, 1] // heads, rows[:, 1] % heads)
    positions = image.text((image.next + before)[None].to(device))
    embeddings = hf.get_input_embeddings()(ids[before][None].to(device))
    passed = hf.get_decoder()(inputs_embeds=embeddings, position_ids=positions, use_cache=False, tree=run)
    logits = hf.get_output_embeddings()(passed.last_hidden_state[0])
    chances = logits.to(torch.float64 if logits.dtype == torch.float64 else torch.float32).softmax(-1)
    found = chances.gather(-1, ids[rows[:, 0]][:, None].to(chances.device))[:, 0]
    return found.cpu().double()  # Apple GPUs have no float64


class _SilentRows:
    """R rows that do not see each other: each is a token of one caption again, with one head silent.

    before: (R,) how many of the caption segment's tokens a row sees, besides the picture and itself. layer, head: (R,)
    what falls silent in it; a layer that the model does not have stands for none.
    """

    def __init__(self, image: ImageSegment, caption: QuestionSegment, before: Tensor, layer: Tensor, head: Tensor):
        self.image, self.caption, self.layer, self.head = image, caption, layer, head
        self.places = torch.cat([torch.arange(image.length + caption.length).expand(len(before), -1),
                                 (image.length + before)[:, None]], 1)  # fmt: skip
        self.own = image.length + before[:, None]
        hidden = self.places >= self.own
        hidden[:, -1] = False
        self.hidden = hidden.to(image.device)

    def before_layer(self, layer: int, hidden: Tensor) -> None:
        """Nothing to see here."""

    def after_layer(self, layer: int, hidden: Tensor) -> None:
        """Nothing to see here."""

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, window: int | None
    ) -> Tensor:
        layer, rows = module.layer_idx, query[0].transpose(0, 1)  # (R, H, D)
        own = (x[0].transpose(0, 1)[:, :, None] for x in (key, value))  # (R, Hkv, 1, D)
        segments = [
            SharedKeys(self.image.keys[layer], self.image.values[layer]),
            SharedKeys(self.caption.keys[layer][None], self.caption.values[layer][None]),
            SharedKeys(*own),
        ]
        scores = torch.cat([segment.scores(rows) for segment in segments], -1) * scaling
        scores.masked_fill_(self._unseen(window).to(scores.device)[:, None], -torch.inf)
        weights = softmax_rows(scores).split([segment.length for segment in segments], -1)
        mixed = torch.stack([s.mix(w) for s, w in zip(segments, weights, strict=True)]).sum(0)
        silent = (self.layer == layer).nonzero().flatten()
        mixed[silent.to(mixed.device), self.head[silent].to(mixed.device)] = 0
        return mixed[None]

    def _unseen(self, window: int | None) -> Tensor:
        """(R, K) bool: later tokens, and those too far back for a layer that sees `window` tokens."""
        if window is None:
            return self.hidden
        return self.hidden | (self.own - self.places >= window).to(self.hidden.device)


# --- captions ---------------------------------------------------------------------------------------------------


def describe(
    model: Model,
    pictures: Sequence[Any],
    objects: Callable[[Any], Iterable[str]],
    question: str = QUESTION,
    prompt: str = CHAT,
    longest: int = LONGEST,
    progress: Progress | None = None,
) -> Iterator[Caption]:
    """The model's own captions of some pictures, judged by the categories that are in them.

    pictures: what `Model.open_image` takes; objects: names of what one of them shows, among COCO's 80.
    """
    for number, picture in enumerate(pictures):
        (run,) = model.open_image(picture, prompt).ask(question, [Vanilla()], longest, prompt=prompt)
        yield judged(picture, run.text, objects(picture))
        if progress:
            progress(number + 1, len(pictures))


def judged(picture: Any, text: str, objects: Iterable[str]) -> Caption:
    """A caption whose words for COCO's categories are grounded where their category is among `objects`."""
    there, found = set(map(coco_name, objects)), mentions(text)
    said, seen = ([(m.start, m.end) for m in found if (m.name in there) is good] for good in (False, True))
    return Caption(picture, text, tuple(said), tuple(seen))


def read_captions(path: str | Path, folder: str | Path, coco: CocoInstances | None = None) -> list[Caption]:
    """Captions from JSON lines {"image": file, "caption": text, "hallucinated": [words], "grounded": [words]}.

    Also CHAIR's and OPERA's, {"image_id": 310196, "caption": text}, lines or an array. folder: where the pictures are.
    Words are taken wherever they stand in the caption, capitals aside. coco: judges captions that name neither kind of
    words, by the masks of their picture, and knows the pictures' ids.
    Raises ClvsError, one sentence, for a file or line that is not of this kind.
    """
    path, found = Path(path), []
    pictures = FileNames((file.name, file) for file in sorted(Path(folder).glob("*")))
    for where, entry in _entries(path):
        try:
            value = json.loads(entry) if isinstance(entry, str) else entry
            found.append(_caption(value, Path(folder), pictures, coco))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            why = error.args[0] if isinstance(error, ClvsError) else "it is not of the form that --help shows"
            raise ClvsError(f"{where} of {path.name} cannot be used: {str(why).rstrip('.')}.") from None
    return found


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    """What to call it, and an entry: the values of an array, or lines to parse."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        values = json.loads(text) if text.lstrip().startswith("[") else None
    except OSError as error:
        raise ClvsError(f"The captions {path!s:.200} cannot be read ({error.strerror}); check the path.") from None
    except UnicodeDecodeError:
        raise ClvsError(f"The captions {path} are no UTF-8 text; save them as UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise ClvsError(f"The captions {path} cannot be read ({error}); check the path and the file.") from None
    if values is not None:
        yield from ((f"Entry {number}", value) for number, value in enumerate(values, 1))
    else:
        lines = enumerate(text.split("\n"), 1)
        yield from ((f"Line {number}", line) for number, line in lines if line.strip())


def _caption(entry: dict[str, Any], folder: Path, pictures: FileNames[Path], coco: CocoInstances | None) -> Caption:
    name, text = _picture_of(entry, coco), entry["caption"].strip()
    files = [folder / name] if (folder / name).is_file() else pictures.find(name)
    picture = files[0] if len(files) == 1 else folder / name
    if coco is not None and "hallucinated" not in entry and "grounded" not in entry:
        if name not in coco:
            raise ClvsError(f"{coco.path.name} does not know {name}.")
        return judged(picture, text, [item.name for item in coco.find(name)])
    kinds = [_listed(entry.get(kind, []), kind) for kind in ("hallucinated", "grounded")]
    said, seen = (tuple(span for word in words for span in _spans(text, word)) for words in kinds)
    return Caption(picture, text, said, seen)


def _picture_of(entry: dict[str, Any], coco: CocoInstances | None) -> str:
    """The name of an entry's picture: its own word for it, or what the masks' file calls that id."""
    if "image" in entry or "image_id" not in entry:
        return entry["image"]
    name = coco.named(entry["image_id"]) if coco is not None else None
    if name is None:
        knows = f"{coco.path.name} does not know it" if coco is not None else "give --coco-annotations, which knows it"
        raise ClvsError(f"its picture is the id {entry['image_id']!r:.40}, and {knows}.")
    return base(name)


def _listed(words: Any, kind: str) -> list[str]:
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        raise ClvsError(f"{kind!r} must be a list of words.")
    return list(dict.fromkeys(word.strip() for word in words))


def _spans(text: str, word: str) -> list[Span]:
    """Where a word stands in a text, whole; ClvsError where it does not."""
    found = [match.span() for match in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)]
    if not found:
        raise ClvsError(f"its caption does not contain the word {word!r}.")
    return found
