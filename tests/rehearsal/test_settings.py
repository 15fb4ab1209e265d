"""What stands in settings.py is what was published, wherever copies of the published files are at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from .settings import PICTURE, PUBLISHED, QUESTION

COPIES = Path(__file__).resolve().parents[3] / "shared" / "data" / "checkpoints"
FILES = {
    "config.json": "config",
    "generation_config.json": "generation",
    "preprocessor_config.json": "images",
    "processor_config.json": "processor",
    "tokenizer_facts.json": "tokenizer",
}
# Where a file comes from, training, sampling, and what the tokenizer facts say in a form of their own.
IGNORED = {
    "_from_model_config", "_name_or_path", "added_tokens", "architectures", "attention_dropout", "base",
    "chat_template", "clean_up_tokenization_spaces", "do_sample", "dropout", "hidden_dropout_prob",
    "ignore_index", "initializer_factor", "initializer_range", "neftune_noise_alpha", "projection_dropout",
    "repetition_penalty", "sp_model_kwargs", "spaces_between_special_tokens", "split_special_tokens",
    "temperature", "top_k", "top_p", "transformers_version", "use_cache", "use_default_system_prompt",
    "video_sampling", "add_eos_token",
}  # fmt: skip


def copy_of(name: str, file: str) -> Any:
    if not COPIES.is_dir():
        pytest.skip(f"no copies of the published files in {COPIES}")
    path = COPIES / name / file
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def differences(theirs: Any, ours: Any, place: str = "") -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours} - IGNORED):
            yield from differences(theirs.get(key, "nothing"), ours.get(key, "nothing"), f"{place}/{key}")
    elif theirs != ours:
        yield f"{place}: published {theirs!r}, here {ours!r}"


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", PUBLISHED)
def test_settings_are_the_published_ones(name, file):
    assert list(differences(copy_of(name, file), getattr(PUBLISHED[name], FILES[file]))) == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_special_tokens_have_the_published_ids(name):
    facts = copy_of(name, "tokenizer_facts.json")
    assert facts["added_tokens"].items() <= PUBLISHED[name].special.items()


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_templates_write_what_the_published_ones_write(name):
    published = PUBLISHED[name]
    found = copy_of(name, "chat_template.json")
    theirs = found["chat_template"] if found else (COPIES / name / "chat_template.jinja").read_text(encoding="utf-8")
    content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
    first = published.tokenizer["bos_token"] or ""
    texts = [
        render_jinja_template([[{"role": "user", "content": content}]], chat_template=template, bos_token=first,
                              add_generation_prompt=True)[0][0]
        for template in (theirs, published.template)
    ]  # fmt: skip
    assert texts[0] == texts[1]
    before, after = "".join(published.prompt).split(PICTURE)
    assert texts[1].removeprefix(first).startswith(before.removeprefix(first))
    assert texts[1].endswith(after)
