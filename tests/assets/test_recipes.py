"""What the training is told: labels of patches, balanced questions, and a packed pass equal to the model's own.

The artwork is not needed: objects are plain shapes.
"""

import re
from collections import Counter

import numpy as np
import pytest
import torch

from assets.recipes import questions
from assets.recipes.categories import BY_NAME, COMMON, NAMES
from assets.recipes.facts import COLOUR_NAMES, IGNORED, NEAR, TASKS, patch_labels
from assets.recipes.model import build_model
from assets.recipes.phrases import AFTER, BEFORE, BRIEFLY, FORMS, SIDES, reworded
from assets.recipes.render import Background, gaps, render, sample_scene
from assets.recipes.stream import Batch
from assets.recipes.tokenizer import CONTACT, MORE, build_tokenizer
from assets.recipes.train import STAGES, commands
from assets.recipes.train_decoder import BLOCKS, LENGTH, PREFIX, Trainee, decoder_layer, inputs_of
from assets.recipes.train_tower import DenseHead, load, to_pixels, tower_features


class Squares:
    """Stands in for Artwork: every object is a full square, drawn in one style."""

    def codes(self, name):
        return [("fluent-3d", code) for code in BY_NAME[name].artwork]

    def natural(self, style, code):
        return next(category.artwork[code] for category in BY_NAME.values() if code in category.artwork)

    def sprite(self, style, code, size, mirror, colour, tilt):
        mask = np.zeros((size + 4, size + 4), bool)
        mask[2:-2, 2:-2] = True
        return np.ones((*mask.shape, 4), np.float16) * mask[..., None], mask, 2


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_scenes_keep_their_objects_in_the_picture_and_visible(rng):
    for _ in range(50):
        scene = sample_scene(rng, Squares())
        assert scene.things
        for thing, (x0, y0, x1, y1) in zip(scene.things, scene.boxes, strict=True):
            assert (x0 >= 0) & (y0 >= 0) & (x1 <= 96) & (y1 <= 96)
            assert (x1 - x0) * (y1 - y0) >= 0.8 * thing.size**2


def test_patch_labels_say_what_covers_a_patch(rng):
    scene = sample_scene(rng, Squares(), ["dog"])
    thing = scene.things[0]
    owner = np.full((96, 96), -1, np.int8)
    owner[thing.y : thing.y + thing.size, thing.x : thing.x + thing.size] = 0
    labels = patch_labels(scene, owner, 8).reshape(12, 12, len(TASKS))
    centre = labels[(thing.y + thing.size // 2) // 8, (thing.x + thing.size // 2) // 8]
    assert centre[0] == NAMES.index("dog")
    assert centre[1] == (COLOUR_NAMES.index(thing.true_colour) if thing.true_colour else IGNORED)
    assert centre[4] == 0
    assert centre[5] == 1, "a lone object touches nothing"
    outside = (owner.reshape(12, 8, 12, 8) < 0).all((1, 3))
    assert (labels[outside, 0] == len(NAMES)).all()
    assert (labels[outside, 1:] == IGNORED).all()


def test_yes_and_no_are_balanced_for_each_type_and_object(rng):
    for kind in questions.YES_NO:
        found = Counter()
        while sum(found.values()) < 300:
            question = questions.ask(rng, sample_scene(rng, Squares()), kind)
            if question.kind == kind:
                found[question.answer] += 1
        assert set(found) == {"Yes", "No"}
        assert abs(found["Yes"] - found["No"]) < 70, (kind, found)  # 4 standard deviations


def test_packed_answers_are_known_words(rng):
    packer = questions.Packer()
    for _ in range(20):
        packed = packer(rng, sample_scene(rng, Squares()))
        last = packed.ids[np.arange(BLOCKS), packed.prompt - 1]
        assert (last == packer.words["ASSISTANT:"]).all()
        assert (packed.target[np.arange(BLOCKS), packed.prompt - 1] >= 0).all()
        assert ((packed.target == packer.words["</s>"]).sum(1) == 1).all()


def test_plain_wordings_need_no_unknown_word():
    packer, slots = questions.Packer(), {"name": "dog", "a_name": "a dog", "plural": "dogs", "colour": "red"}
    slots |= {"colour_name": "red dog", "a_colour_name": "a red dog", "first": "dog", "second": "cat"}
    slots |= {"relation": "to the left of", "direction": "above", "what": "two dogs", "verb": "are"}
    slots |= {"place": "at the top"}
    for kind, forms in FORMS.items():
        for form in forms:
            assert packer.tokenizer.unk_token_id not in packer.encode(form.format(**slots)), (kind, form)


def test_gaps_are_the_pixels_between_two_objects():
    owner = np.full((20, 40), -1, np.int8)
    owner[2:8, 2:8], owner[2:8, 8:12], owner[12:18, 20:30] = 0, 1, 2
    found = gaps(owner, 3)
    assert found[0, 1] == 1
    assert found[0, 2] == 13
    assert found[1, 2] == 9
    assert (found == found.T).all()


def test_contact_is_what_the_masks_say(rng):
    seen = Counter()
    for _ in range(150):
        scene = sample_scene(rng, Squares())
        question = questions.MAKERS["contact"](rng, scene)
        if question is None:
            continue
        _, owner = render(scene, Squares())
        indices = [next(i for i, thing in enumerate(scene.things) if thing.name == name) for name in question.names]
        masks = [np.argwhere(owner == index) for index in indices]
        gap = np.abs(masks[0][:, None] - masks[1][None]).max(-1).min()
        seen[question.answer] += 1
        assert gap <= 1 if question.answer == "Yes" else gap >= NEAR
    assert min(seen.values()) > 20


def test_absent_objects_are_drawn_as_pope_does(rng):
    scene = sample_scene(rng, Squares(), ["dog", "bus"])
    for how in ("random", "popular", "adversarial", None):
        names = {questions.absent(rng, scene, how) for _ in range(200)}
        assert not names & {"dog", "bus"}
        if how == "popular":
            assert names <= set(COMMON)
        if how == "adversarial":
            assert names == set(questions.companions({"dog": 1, "bus": 1}))
            assert "car" in names
            assert "pizza" not in names


def test_what_is_beside_is_the_only_thing_there(rng):
    asked = 0
    for _ in range(120):
        scene = sample_scene(rng, Squares())
        question = questions.MAKERS["beside"](rng, scene)
        if question is None:
            continue
        asked += 1
        name, direction = question.slots["name"], question.slots["direction"]
        axis, sign = questions.DIRECTIONS[direction]
        centres = {i: scene.centre(i)[axis] * sign for i in range(len(scene.things))}
        own = next(centres[i] for i, thing in enumerate(scene.things) if thing.name == name)
        assert {scene.things[i].name for i, at in centres.items() if at > own} == {question.answer}
    assert asked > 30


def test_wordings_keep_the_question_and_vary(rng):
    slots = {"first": "dog", "second": "cat", "relation": "to the left of"}
    texts = {reworded(rng, "relation", slots) for _ in range(200)}
    assert len(texts) > 40
    assert all(re.search(r"dog.*left.*cat|left of.*cat", text) for text in texts)


def _packed_logits(trainee, batch, hidden):
    trainee.compiled_layer = decoder_layer
    trainee.compiled_tower = lambda pixels: tower_features(trainee.llava, pixels)
    with torch.no_grad():
        return trainee(to_pixels(batch.pictures), inputs_of(batch), hidden)[0][0]


def test_packed_pass_is_what_the_model_computes_for_each_question(rng):
    packer, trainee = questions.Packer(), Trainee()
    scene = sample_scene(rng, Squares())
    picture = rng.integers(0, 255, (1, 96, 96, 3)).astype(np.uint8)
    batch = Batch(picture, np.zeros((1, 144, len(TASKS)), np.int8), [scene], [packer(rng, scene)])
    logits = _packed_logits(trainee, batch, torch.zeros(1, BLOCKS, dtype=torch.bool))
    for block in (0, 7):
        ids = batch.extra[0].ids[block]
        ids = ids[ids > 0].tolist()
        prefix = [packer.words["<s>"], packer.words["USER:"], *[packer.words["<image>"]] * 144]
        with torch.no_grad():
            inputs = {"input_ids": torch.tensor([prefix + ids]), "pixel_values": to_pixels(picture)}
            expected = trainee.llava(**inputs).logits[0, PREFIX:]
        # The packed pass rotates positions in bfloat16.
        assert (logits[block, : len(ids)] - expected).abs().max() < 0.02 * expected.std()


def test_hiding_the_picture_blinds_words_but_not_the_last_prompt_token(rng):
    packer, trainee = questions.Packer(), Trainee()
    scene = sample_scene(rng, Squares())
    packed = packer(rng, scene)
    hidden = torch.zeros(1, BLOCKS, dtype=torch.bool)
    hidden[0, 0] = True
    outputs = []
    for value in (0, 255):
        picture = np.full((1, 96, 96, 3), value, np.uint8)
        outputs.append(
            _packed_logits(trainee, Batch(picture, np.zeros((1, 144, len(TASKS)), np.int8), [], [packed]), hidden)
        )
    change = (outputs[0] - outputs[1]).abs().amax(-1)
    last = int(packed.prompt[0]) - 1
    assert change[0, :last].max() < 1e-6
    assert change[0, last] > 1e-3
    assert change[1, : int(packed.prompt[1])].min() > 1e-3
    assert last < LENGTH


def test_background_is_deterministic():
    from assets.recipes.render import gradient

    background = Background((10, 20, 30), (200, 210, 220), 0.7, grain=5)
    assert np.array_equal(gradient(background, 40, 30), gradient(background, 40, 30))
    assert gradient(background, 40, 30).shape == (30, 40, 3)


def test_plurals_mean_their_category():
    for category in BY_NAME.values():
        for word in (category.name, category.plural):
            assert re.fullmatch(category.words, word), word


def test_every_word_of_the_vocabulary_is_taught():
    """A word that training never shows is worse than an unknown one."""
    normalise, taught = build_tokenizer().backend_tokenizer.normalizer.normalize_str, set()
    rows = [*FORMS.values(), BEFORE, AFTER, BRIEFLY, *SIDES.values()]
    for text in (form for row in rows for form in row):
        taught |= set(normalise(text).split())
    assert set(MORE) - set(CONTACT) <= taught


def test_every_stage_of_the_training_starts_from_an_earlier_ones_result():
    made = set()
    *stages, export = commands(2.0)
    for (_, minutes, _), command in zip(STAGES, stages, strict=True):
        assert float(command[command.index("--minutes") + 1]) == 2 * minutes
        for option in ("--start", "--tower"):
            if option in command:
                assert command[command.index(option) + 1] in made
        made.add(command[command.index("--out") + 1])
    assert export[export.index("--out") + 1] in made


def test_a_checkpoint_with_fewer_words_is_taken_further(tmp_path):
    model, head = build_model(), DenseHead()
    known = 100
    older = {name: value.clone() + 1 for name, value in model.state_dict().items()}
    for name in older:
        if "embed_tokens" in name or "lm_head" in name:
            older[name] = older[name][:known]
    path = tmp_path / "older.pt"
    torch.save({"model": older, "head": {"log_scale": torch.zeros(3)}}, path)
    fresh, head = build_model(), DenseHead()
    load(fresh, head, path)
    words = fresh.get_input_embeddings().weight
    assert torch.equal(words[:known], older["model.language_model.embed_tokens.weight"])
    scale = words[:known].square().mean().sqrt()
    assert 0.8 * scale < words[known:].square().mean().sqrt() < 1.2 * scale
    assert torch.equal(fresh.model.language_model.norm.weight, older["model.language_model.norm.weight"])
    assert (head.log_scale[:3] == 0).all()
    assert (head.log_scale[3:] > 1).all()
