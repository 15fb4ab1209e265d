"""A model spread over GPUs, as accelerate spreads it: a module's answer comes back where that module is.

Fake tensors stand in for GPUs: they have devices, shapes and dtypes but no numbers, and refuse to be mixed.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from clvs_core import ADHH, CLVS, PAI, TARAC, VAF, VAR, VCD, Combine
from clvs_core.engine.attention import SharedKeys
from clvs_core.engine.editing import Group, groups, within
from clvs_core.engine.lens import Lens
from clvs_core.engine.questions import _Places, _QuestionPass
from clvs_core.methods import Keys, spec
from clvs_core.models.positions import rerotate
from tests.engine.test_families import FAMILIES, built

FIRST, LAST = torch.device("cuda:0"), torch.device("cuda:1")


@pytest.fixture
def fake():
    with FakeTensorMode() as mode:
        yield mode


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rotation_s_angles_come_from_another_gpu(family, monkeypatch):
    """accelerate puts `rotary_emb`, which is registered last, on the last GPU; layer 0 is on the first."""
    decoder = built(family).hf.get_decoder()
    angles = decoder.rotary_emb.forward
    width = decoder.layers[0].self_attn.head_dim
    keys = torch.randn(1, 2, 5, width)
    places = torch.arange(5).expand(3, 1, 5) if "qwen" in family else torch.arange(5)[None]
    cosines = angles(keys, places, *(decoder.config.layer_types[:1] if "gemma" in family else []))
    with FakeTensorMode() as mode:
        elsewhere = [mode.from_tensor(x).to(LAST) for x in cosines]
        monkeypatch.setattr(decoder.rotary_emb, "forward", lambda *args, **options: elsewhere)
        states = torch.empty(1, 2, 5, width, device=FIRST)
        positions = torch.empty(*places.shape, dtype=torch.long, device=FIRST)
        assert rerotate(decoder, states, positions, positions + 3).device == FIRST


def test_norm_and_unembedding_are_on_another_gpu(fake):
    head, norm = torch.nn.Linear(8, 20, device=LAST), torch.nn.LayerNorm(8, device=LAST)
    lens = Lens(lambda x: head(x.to(LAST)), lambda x: norm(x.to(LAST)))  # as accelerate's hooks bring them their input
    hidden, normed = torch.empty(3, 8, device=FIRST), torch.ones(3, dtype=torch.bool, device=FIRST)
    for wanted in (None, normed):
        assert lens.logits(hidden, wanted).shape == (3, 20)


EVERY = [
    *(CLVS(beta=0.7, first_check=1), TARAC(layers=(1, 3)), VAF(layers=(1, 3)), VAR(dims=(1,)), PAI(), VCD()),
    *(ADHH(heads=((1, 0), (3, 2))), Combine(VAF(layers=(0, 3)), VAR(dims=(1,)), CLVS(beta=0.7, first_check=0), PAI())),
]


@pytest.mark.parametrize("visual", ["slice", "index"])
@pytest.mark.parametrize("method", EVERY, ids=spec)
def test_an_editor_follows_the_layers_from_gpu_to_gpu(fake, method, visual):
    """Its settings, and what it remembers, come from the first one; the words' logits from the last."""
    editor = type(method).editor([method, method], FIRST, torch.float32)
    for _ in range(2):
        editor.begin()
        for layer, device in enumerate((FIRST, LAST, FIRST, LAST)):
            rows = torch.rand(2, 4, 20, device=device)
            picture = slice(2, 12) if visual == "slice" else torch.arange(2, 12, device=device)
            keys = Keys(slice(0, 2), picture, slice(12, None), reading=torch.rand(2, 20, device=FIRST))
            assert editor.scores(layer, rows, keys).device == device
            assert editor.weights(layer, rows, keys).device == device
            editor.observe(layer, torch.rand(2, device=FIRST))
            for values in editor.recorded(layer).values():
                assert values.to(FIRST).shape[0] == 2
        logits = torch.rand(2, 30, device=LAST)
        assert editor.contrast(logits, logits).device == LAST


@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [1, 3], [0, 1, 3]], ids=str)
def test_a_group_takes_its_rows_from_any_gpu(fake, rows):
    method = VAF(layers=(0, 3))
    group = Group(rows, [method] * len(rows), VAF.editor([method] * len(rows), FIRST, torch.float32), 4, FIRST)
    for device in (FIRST, LAST):
        weights = torch.rand(4, 2, 10, device=device)
        taken = group.take(weights)
        assert (taken.device, len(taken)) == (device, len(rows))
        assert group.put(weights, taken * 2).device == device
        assert within(weights, torch.ones(4, 1, 10, dtype=torch.bool, device=FIRST)).device == device


@pytest.mark.parametrize("window", [None, 2])
def test_a_pack_of_questions_is_edited_on_any_gpu(window):
    """Rows that are not evenly spaced are an index, which stands on the first one."""
    methods = [VAF(layers=(0, 3)), None, VAF(layers=(0, 3)), VAF(layers=(0, 3)), VAR(dims=(1,)), None]
    places = _Places(torch.tensor([0, 0, 0, 0, 1, 1]), torch.tensor([0, 1, 2, 3, 0, 1]), torch.device("cpu"))
    with FakeTensorMode() as mode:
        for name in ("owner", "index", "flat"):
            setattr(places, name, mode.from_tensor(getattr(places, name)).to(FIRST))
        run = _QuestionPass.__new__(_QuestionPass)
        run.image = SimpleNamespace(length=3, where=lambda device: Keys(slice(0, 1), slice(1, 3), slice(3, None)))
        run.places, run.steps = places, torch.arange(6, device=FIRST)
        run.blinds = SimpleNamespace(outside=lambda layer, length: None)
        editing = groups(methods, FIRST, torch.float32)
        assert any(isinstance(group.rows, torch.Tensor) for group in editing)
        for device in (FIRST, LAST):
            for group in editing:
                group.readings = {0: torch.rand(len(group.places), 7, device=FIRST)} if group.reading else {}
            picture = SharedKeys(*torch.rand(2, 1, 2, 3, 8, device=device))
            own = SharedKeys(*torch.rand(2, 2, 2, 4, 8, device=device))
            rows = torch.rand(6, 4, 8, device=device)
            assert run._mixed(0, rows, slice(0, 6), editing, picture, own, 1.0, window).device == device


def test_fake_devices_refuse_to_mix(fake):
    """What the tests above rely on."""
    keys = SharedKeys(torch.empty(1, 2, 5, 16, device=LAST), torch.empty(1, 2, 5, 16, device=LAST))
    with pytest.raises(RuntimeError, match="device"):
        keys.scores(torch.empty(3, 4, 16, device=FIRST))
