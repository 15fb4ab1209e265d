"""Pictures a model has seen: opened, encoded once, asked many times, and forgotten when memory runs short."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np
from PIL import Image

from ..errors import QuestionError
from ..methods import CLVS, METHODS, Method, Vanilla, spec
from ..methods.base import Contrast, NoisedPicture, Reading, check_range
from ..models.families import views_for
from ..models.geometry.grids import Views
from ..models.prompts import CHAT
from ..objects.coverage import coverage
from .blinds import Blinded
from .branches import Branch
from .checkpoint import Checkpoint
from .decode import decode
from .knockout import THRESHOLD, Knockout, KnockoutRun, Plan
from .questions import Tail
from .runs import Answer, BranchLog, Run, Step, Token, about
from .segments import ImageSegment
from .tree import PromptTree

_NOISED_KEPT = 2  # noised versions kept per picture, each as large as the picture itself
_DEFAULT_METHODS = (Vanilla(), CLVS())


class EncodedImage:
    """One picture inside one model, ready for any number of questions.

    width, height: of the upright picture, in pixels. views: where its visual tokens lie on it. key: the picture's
    fingerprint, and the text before it in the prompt it was encoded in.
    """

    def __init__(
        self, model: Checkpoint, picture: Image.Image, segment: ImageSegment, views: Views, key: tuple[str, str]
    ):
        self.model, self.key = model, key
        self._picture = picture  # for prompts that say something else before it
        self.width, self.height = picture.size
        self.views = views
        self.tree = PromptTree(segment)
        self._contrasts: OrderedDict[Contrast, PromptTree] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def segment(self) -> ImageSegment:
        return self.tree.segment

    @property
    def nbytes(self) -> int:
        """Bytes held for this picture: what is kept of it, its contrasts and questions, and its pixels, four each."""
        with self._lock:
            trees = [self.tree, *self._contrasts.values()]
        return sum(tree.nbytes for tree in trees) + 4 * self.width * self.height

    @overload
    def ask(  # type: ignore[overload-overlap]
        self,
        question: str,
        methods: Sequence[Method] = ...,
        max_new_tokens: int = ...,
        keep_logits: bool = ...,
        lens: bool = ...,
        prompt: str = ...,
        rest: bool = ...,
    ) -> list[Run]: ...
    @overload
    def ask(
        self,
        question: Sequence[str],
        methods: Sequence[Method] = ...,
        max_new_tokens: int = ...,
        keep_logits: bool = ...,
        lens: bool = ...,
        prompt: str = ...,
        rest: bool = ...,
    ) -> list[list[Run]]: ...
    def ask(
        self,
        question: str | Sequence[str],
        methods: Sequence[Method] = _DEFAULT_METHODS,
        max_new_tokens: int = 16,
        keep_logits: bool = False,
        lens: bool = False,
        prompt: str = CHAT,
        rest: bool = False,
    ) -> list[Run] | list[list[Run]]:
        """Answers greedily with every method, all in one batch: one Run per method, in the given order.

        question: one question, or several, which then share the batch and give one list of runs each.
        keep_logits: keep `run.logits`. lens: measure the uncertainty after every layer and keep what each would say;
            answers stay the same.
        prompt: name of the prompt, e.g. "vicuna+one-word"; "chat" is the checkpoint's own chat template alone
            (see clvs_core.models.prompts).
        rest: keep how much of the attention goes to each word around the picture, as `trace.rest`.
        Raises QuestionError for a question that is empty or does not fit the model, or a prompt that the model does not
        have, ValueError for wrong settings.
        """
        several = isinstance(question, (list, tuple))
        questions: list[str] = list(question) if several else [question]  # type: ignore[list-item]
        if not questions:
            return []
        kept = {"keep_logits": keep_logits, "lens": lens, "rest": rest}
        logs, tokens = self._start(questions, methods, max_new_tokens, prompt, **kept)
        for _ in tokens:
            pass
        runs = [log.run(len(log.tokens)) for log in logs]
        width = len(runs) // len(questions)
        return [runs[i : i + width] for i in range(0, len(runs), width)] if several else runs

    def answers(
        self,
        questions: Sequence[str],
        methods: Sequence[Method] = _DEFAULT_METHODS,
        max_new_tokens: int = 16,
        prompt: str = CHAT,
    ) -> list[list[Answer]]:
        """The same answers as `ask` gives to several questions, without traces: less time and memory for benchmarks."""
        if not questions:
            return []
        logs, tokens = self._start(questions, methods, max_new_tokens, prompt, maps=False)
        for _ in tokens:
            pass
        answers = [log.answer() for log in logs]
        width = len(answers) // len(questions)
        return [answers[i : i + width] for i in range(0, len(answers), width)]

    def stream(
        self,
        question: str,
        methods: Sequence[Method] = _DEFAULT_METHODS,
        max_new_tokens: int = 16,
        keep_logits: bool = False,
        lens: bool = False,
        prompt: str = CHAT,
        rest: bool = False,
    ) -> Iterator[Step]:
        """As `ask`, one Step per token. Closing the generator stops at once and frees everything it held."""
        kept = {"keep_logits": keep_logits, "lens": lens, "rest": rest}
        logs, tokens = self._start([question], methods, max_new_tokens, prompt, **kept)
        return (Step(index, step, logs) for index, step in enumerate(tokens))

    def knockout(
        self,
        question: str,
        mask: np.ndarray,
        methods: Sequence[Method] = _DEFAULT_METHODS,
        window: int | None = None,
        rows: str = "word",
        token: int = 0,
        control: int = 4,
        **more: Any,
    ) -> list[Knockout]:
        """What is left of an answer when part of the picture is hidden, layer by layer: one Knockout per method.

        mask: (height, width) bool of the picture, or (visual,) coverage of its visual tokens in [0, 1].
        window: how many layers at a time, an odd number; about 9 of 32 when left out.
        rows: hidden from the row that predicts the token ("word"), from the rows of the prompt's words between the
        picture and that one ("question"), or from "both".
        token: which of the answer's tokens is asked about; those before it are fed as they were said.
        control: how often as many other visual tokens are drawn and hidden instead; 0 leaves that out.

        more: threshold (0.05), the coverage above which a visual token is hidden; only (True), whether the mirror image
        is measured too, hidden everywhere but in the window; seed (0) of the draws; answer (False), whole answers with
        every row that writes blinded, of at most max_new_tokens (16); prompt ("chat").
        Raises what `ask` raises, and ValueError for a mask that is not of this picture's size.
        """
        *_, last = self.knockout_stream(question, mask, methods, window, rows, token, control, **more)
        return last

    def knockout_stream(
        self,
        question: str,
        mask: np.ndarray,
        methods: Sequence[Method] = _DEFAULT_METHODS,
        window: int | None = None,
        rows: str = "word",
        token: int = 0,
        control: int = 4,
        *,
        threshold: float = THRESHOLD,
        only: bool = True,
        seed: int = 0,
        answer: bool = False,
        max_new_tokens: int = 16,
        prompt: str = CHAT,
    ) -> Iterator[list[Knockout]]:
        """As `knockout`, what is known after every pass, first layers first; closing the generator ends it."""
        steps = _steps(max_new_tokens)
        resolved = self._resolved(methods)
        plan = Plan.of(
            self._coverage(mask),
            self.model.layers,
            window=window,
            rows=rows,
            token=token,
            control=control,
            threshold=threshold,
            only=only,
            seed=seed,
            answer=answer,
        )
        tail = tuple(self.model.prompts.tail(question, prompt))
        image = self._behind(prompt)
        image._check_length([tail], max(steps, plan.token + 1))
        facts = self._facts(question, prompt)

        def grow(numbers: Sequence[int], blinds: Sequence[Blinded]) -> list[Branch]:
            return image._branches([(question, resolved[n]) for n in numbers], {question: tail}, prompt, blinds)

        def log(method: Method) -> BranchLog:
            return BranchLog(method, about(method, **facts), self.model.tokenizer, image.views, steps, self._picture)

        both = list(zip(methods, resolved, strict=True))
        return KnockoutRun(self.model, image.segment, plan, both, grow, len(tail), log).results()

    def _coverage(self, mask: np.ndarray) -> np.ndarray:
        """(visual,) of a mask of the picture, or as it is given."""
        mask = np.asarray(mask)
        if mask.shape == (self.views.visual,):
            return mask.astype(np.float64)
        if mask.shape != (self.height, self.width):
            raise ValueError(
                f"The mask must have the picture's size, {self.height} x {self.width}, or a number for each of its "
                f"{self.views.visual} visual tokens, not {' x '.join(map(str, mask.shape)) or 'a single number'}."
            )
        return coverage(mask, self.views)

    def _resolved(self, methods: Sequence[Method]) -> list[Method]:
        methods = [] if isinstance(methods, Method) else list(methods)
        if not methods or not all(isinstance(m, Method) for m in methods):
            raise ValueError("methods must be a list of at least one method, e.g. [Vanilla(), CLVS()].")
        return [m.resolve(self.model.target) for m in methods]

    def _start(
        self,
        questions: Sequence[str],
        methods: Sequence[Method],
        steps: int,
        prompt: str,
        *,
        keep_logits: bool = False,
        lens: bool = False,
        maps: bool = True,
        rest: bool = False,
    ) -> tuple[list[BranchLog], Iterator[list[Token | None]]]:
        model = self.model
        steps = _steps(steps)
        resolved = self._resolved(methods)
        tails = {q: tuple(model.prompts.tail(q, prompt)) for q in questions}  # a slip costs no look at the picture
        image = self._behind(prompt)
        image._check_length([*tails.values()], steps)
        asked = [(q, m) for q in questions for m in resolved]
        facts = {q: self._facts(q, prompt) | (self._words(q, prompt) if rest else {}) for q in tails}
        logs = [
            BranchLog(
                method, about(m, **facts[q], given=spec(method)), model.tokenizer, image.views, steps, self._picture
            )
            for (q, m), method in zip(asked, [*methods] * len(questions), strict=True)
        ]
        branches = model.room.within(lambda: image._branches(asked, tails, prompt))
        tokens = decode(
            model.hf,
            image.segment,
            branches,
            logs,
            model.end_ids,
            model.room,
            keep_logits=keep_logits,
            every_layer=lens,
            maps=maps,
            rest=rest,
        )
        return logs, tokens

    def _branches(
        self,
        asked: Sequence[tuple[str, Method]],
        tails: Mapping[str, tuple[int, ...]],
        prompt: str,
        blinds: Sequence[Blinded] | None = None,
    ) -> list[Branch]:
        """One branch for each question and method (resolved).

        tails: the questions' ids. blinds: what is hidden from each branch, nothing by default.
        """
        blinds = blinds or [Blinded()] * len(asked)
        for reading in dict.fromkeys(r for _, m in asked if (r := m.reading())):
            self._read(reading, prompt)
        each = list(zip(asked, blinds, strict=True))
        segments = self.tree.ask(self.model.hf, [Tail(tails[q], m.on_questions(), b.question) for (q, m), b in each])
        branches = [Branch(m, segment, blind=b.word) for ((_, m), b), segment in zip(each, segments, strict=True)]
        for contrast in dict.fromkeys(c for _, m in asked if (c := m.contrasted())):
            rows = [row for row, (_, m) in enumerate(asked) if m.contrasted() == contrast]
            others = {
                q: self._tail(contrast, q, tails[q], prompt) for q in dict.fromkeys(asked[row][0] for row in rows)
            }
            tree = self._contrast(contrast, prompt)
            seen = [blinds[row].question if tree.segment.visual_tokens else None for row in rows]
            segments = tree.ask(
                self.model.hf, [Tail(others[asked[row][0]], None, blind) for row, blind in zip(rows, seen, strict=True)]
            )
            for row, segment in zip(rows, segments, strict=True):
                branches[row] = replace(branches[row], contrast=(tree.segment, segment))
        self.model.cache.trim()
        return branches

    def _tail(self, contrast: Contrast, question: str, tail: tuple[int, ...], prompt: str) -> tuple[int, ...]:
        """What a question adds behind a contrast: the same as behind the picture, or the whole prompt without one."""
        if isinstance(contrast, NoisedPicture):
            return tail
        return tuple(self.model.prompts.without_picture(question, prompt))

    def _contrast(self, contrast: Contrast, prompt: str) -> PromptTree:
        """What a contrast's prompts begin with, from memory where possible."""
        with self._lock:
            tree = self._contrasts.get(contrast)
        if tree is None and isinstance(contrast, NoisedPicture):
            tree = PromptTree(self.model.segment(self._picture, prompt, noise=contrast))
        elif tree is None:
            tree = PromptTree(self.segment.without_picture())
        with self._lock:
            self._contrasts[contrast] = tree
            self._contrasts.move_to_end(contrast)
            noised = [kind for kind in self._contrasts if isinstance(kind, NoisedPicture)]
            for kind in noised[: max(0, len(noised) - _NOISED_KEPT)]:
                del self._contrasts[kind]
        return tree

    def _read(self, reading: Reading, prompt: str) -> None:
        """Sees to it that what a method reads of the picture's hidden states is known, by another look if need be."""
        if reading not in self.segment.readings:
            segment = self.model.segment(self._picture, prompt, readings=[reading])
            self.segment.readings.update(segment.readings)

    def _behind(self, prompt: str) -> EncodedImage:
        """This picture, as encoded behind what the prompt says before it: another one's keys would not be the same."""
        content, head = self.key
        return self if self.model.prompts.head(prompt) == head else encoded(self.model, self._picture, content, prompt)

    def _facts(self, question: str, prompt: str) -> dict[str, Any]:
        model = self.model
        return {
            "model": model.name,
            "question": question,
            "prompt": model.prompts.text(question, prompt),
            "template": prompt,
            "layers": model.layers,
            "heads": model.heads,
        }

    def _words(self, question: str, prompt: str) -> dict[str, Any]:
        """The tokens after the picture as text, and which of them, from first up to last, are the question's own."""
        prompts, tokenizer = self.model.prompts, self.model.tokenizer
        ids = prompts.tail(question, prompt)
        first, last = differing(ids, prompts.tail("x" if question.strip() != "x" else "y", prompt))
        return {"words": [tokenizer.decode([token]) for token in ids], "asked": [first, last]}

    def _check_length(self, tails: Sequence[Sequence[int]], steps: int) -> None:
        longest = max(map(len, tails))
        room = self.model.context - self.segment.length - steps
        if longest > room:
            raise QuestionError(
                f"The question takes {longest} tokens, but beside the picture and {steps} new tokens "
                f"the model has room for {max(room, 0)}; shorten it."
            )


def _steps(tokens: int) -> int:
    check_range("max_new_tokens", tokens, 1, 1 << 20, int)
    return int(tokens)  # sliders send 16.0


def encoded(model: Checkpoint, picture: Image.Image, content: str, prompt: str) -> EncodedImage:
    """The picture behind what this prompt says before it. picture: upright; content: its fingerprint."""
    key = content, model.prompts.head(prompt)
    image = model.cache.get(key)
    if image is None:
        image = model.room.within(lambda: _encode(model, picture, key, prompt))
        model.cache.put(key, image)
    return image


def _encode(model: Checkpoint, picture: Image.Image, key: tuple[str, str], prompt: str) -> EncodedImage:
    inputs = model.prompts.encode(picture, "?", prompt)
    views = views_for(model.hf, model.processor, inputs, picture.height, picture.width)
    # what methods read under the card's settings is cheap to note on the way, and another look is not
    usual = [METHODS[name](**settings).reading() for name, settings in model.target.settings.items()]
    segment = model.look(inputs, [reading for reading in usual if reading])
    return EncodedImage(model, picture, segment, views, key)


def differing(ids: Sequence[int], others: Sequence[int]) -> tuple[int, int]:
    """Where a list is unlike another one, which begins and ends like it: first place, and the place after the last."""
    least = min(len(ids), len(others))
    first = next((at for at in range(least) if ids[at] != others[at]), least)
    behind = next((at for at in range(least - first) if ids[-1 - at] != others[-1 - at]), least - first)
    return first, len(ids) - behind
