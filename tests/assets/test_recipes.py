"""What the training is told: labels of patches, balanced questions, and a packed pass equal to the model's own.

The artwork is not needed: objects are plain shapes.
"""

from collections import Counter

import numpy as np
import pytest
import torch

from assets.recipes import questions
from assets.recipes.categories import BY_NAME, NAMES
from assets.recipes.facts import COLOUR_NAMES, IGNORED, patch_labels
from assets.recipes.render import Background, sample_scene
from assets.recipes.stream import Batch
from assets.recipes.train_decoder import BLOCKS, LENGTH, PREFIX, Trainee, decoder_layer, inputs_of
from assets.recipes.train_tower import to_pixels, tower_features


class Squares:
    """Stands in for Artwork: every object is a full square."""

    def sprite(self, code, size, mirror, colour):
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
    labels = patch_labels(scene, owner, 8).reshape(12, 12, 5)
    centre = labels[(thing.y + thing.size // 2) // 8, (thing.x + thing.size // 2) // 8]
    assert centre[0] == NAMES.index("dog")
    assert centre[1] == (COLOUR_NAMES.index(thing.true_colour) if thing.true_colour else IGNORED)
    assert centre[4] == 0
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
        assert packer.tokenizer.unk_token_id not in packed.ids
        last = packed.ids[np.arange(BLOCKS), packed.prompt - 1]
        assert (last == packer.words["ASSISTANT:"]).all()
        assert (packed.target[np.arange(BLOCKS), packed.prompt - 1] >= 0).all()
        assert ((packed.target == packer.words["</s>"]).sum(1) == 1).all()


def _packed_logits(trainee, batch, hidden):
    trainee.compiled_layer = decoder_layer
    trainee.compiled_tower = lambda pixels: tower_features(trainee.llava, pixels)
    with torch.no_grad():
        return trainee(to_pixels(batch.pictures), inputs_of(batch), hidden)[0][0]


def test_packed_pass_is_what_the_model_computes_for_each_question(rng):
    packer, trainee = questions.Packer(), Trainee()
    scene = sample_scene(rng, Squares())
    picture = rng.integers(0, 255, (1, 96, 96, 3)).astype(np.uint8)
    batch = Batch(picture, np.zeros((1, 144, 5), np.int8), [scene], [packer(rng, scene)])
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
        outputs.append(_packed_logits(trainee, Batch(picture, np.zeros((1, 144, 5), np.int8), [], [packed]), hidden))
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
    import re

    for category in BY_NAME.values():
        for word in (category.name, category.plural):
            assert re.fullmatch(category.words, word), word
