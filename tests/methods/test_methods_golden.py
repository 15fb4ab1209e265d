"""The methods' array functions against golden vectors worked out apart from them, and what must hold for any row.

The vectors were computed in numpy from the released codes' formulas (two heads; two tokens before the picture, three of
the picture, one of text), and are printed with six digits.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clvs_core.engine.lens import uncertainty
from clvs_core.methods.ad_hh import deaf, silence
from clvs_core.methods.base import Keys
from clvs_core.methods.clvs import remember, smooth
from clvs_core.methods.pai import amplify, guide
from clvs_core.methods.tarac import accumulate, inject
from clvs_core.methods.vaf import scale
from clvs_core.methods.var import Massive, image_centric, redistribute
from clvs_core.methods.vcd import contrast, kept, noised, plausible
from tests.close import assert_close

from .reference import kept_share

VISUAL, PREFIX, TEXT = slice(2, 5), slice(0, 2), slice(5, 6)
KEYS = Keys(PREFIX, VISUAL, TEXT)


def rows(*values):
    """One row per head -> (1, H, K) or, for plain numbers, (1, K)."""
    return torch.tensor([values], dtype=torch.float64)


def number(value, axes=2):
    """A setting of one row, (1,) with so many axes after it."""
    return torch.full((1,) * (1 + axes), value, dtype=torch.float64)


WEIGHTS = rows([0.30, 0.10, 0.05, 0.25, 0.10, 0.20], [0.50, 0.05, 0.02, 0.03, 0.30, 0.10])
LATER = rows([0.40, 0.10, 0.05, 0.05, 0.10, 0.30], [0.60, 0.05, 0.05, 0.05, 0.05, 0.20])
SCORES = rows([1, -0.5, 0.2, -1, 0.5, 0], [2, 0.5, -0.3, 0.4, 1, -0.2])


def assert_printed(found, *expected):
    """Equal to what is printed with six digits."""
    torch.testing.assert_close(found, rows(*expected), atol=5.001e-7, rtol=0)


def test_smoothing():
    memory = rows(0.40, 0.10, 0.20)
    assert_printed(
        smooth(WEIGHTS, memory, number(0.8), VISUAL),
        [0.283019, 0.094340, 0.113208, 0.207547, 0.113208, 0.188679],
        [0.467290, 0.046729, 0.089720, 0.041121, 0.261682, 0.093458],
    )
    assert_printed(remember(memory, WEIGHTS, number(0.8, 1), VISUAL), 0.33, 0.13, 0.22)


def test_accumulation_over_two_tokens():
    first = accumulate(WEIGHTS, None, number(0.5, 1), VISUAL)
    assert_printed(first, 0.05, 0.25, 0.30)
    assert_printed(
        inject(WEIGHTS, first, number(0.5), VISUAL),
        [0.230769, 0.076923, 0.057692, 0.288462, 0.192308, 0.153846],
        [0.384615, 0.038462, 0.034615, 0.119231, 0.346154, 0.076923],
    )
    second = accumulate(LATER, first, number(0.5, 1), VISUAL)
    assert_printed(second, 0.05, 0.15, 0.20)
    assert_printed(
        inject(LATER, second, number(0.5), VISUAL),
        [0.333333, 0.083333, 0.062500, 0.104167, 0.166667, 0.250000],
        [0.500000, 0.041667, 0.062500, 0.104167, 0.125000, 0.166667],
    )
    # alpha weights the newest token
    assert_printed(accumulate(LATER, first, number(1.0, 1), VISUAL), 0.05, 0.05, 0.10)
    assert_printed(accumulate(LATER, first, number(0.0, 1), VISUAL), 0.05, 0.25, 0.30)


def test_silenced_heads():
    both = torch.tensor([[True, True]])
    heads = deaf(WEIGHTS, both, number(0.15, 1), TEXT)
    assert heads.tolist() == [[True, False]]
    cut = silence(WEIGHTS, heads, TEXT)
    assert_printed(cut, [0.30, 0.10, 0.05, 0.25, 0.10, 0], WEIGHTS[0, 1].tolist())
    assert_printed(cut.sum(-1), 0.8, 1.0)
    assert deaf(WEIGHTS, both, WEIGHTS[:, :1, 5], TEXT).tolist() == [[True, False]], "as much as the threshold: acts"
    assert not deaf(WEIGHTS, ~both, number(0.0, 1), TEXT).any(), "no head that is not listed"


def sinks(*where):
    return torch.isin(torch.arange(6), torch.tensor(where))[None]


def test_redistribution_from_sinks():
    marked = sinks(0, 4)
    ratios = [0.10 / (0.40 + 3e-6), 0.30 / (0.35 + 3e-6)]
    assert ratios == pytest.approx([0.249998, 0.857136], abs=5e-7)
    chosen = image_centric(WEIGHTS, marked, number(0.5, 1), number(0.2, 1), VISUAL)
    assert chosen.tolist() == [[True, False]]
    found = redistribute(WEIGHTS, marked, chosen, number(0.6), VISUAL)
    assert_printed(found, [0.18, 0.10, 0.076667, 0.383333, 0.06, 0.20], WEIGHTS[0, 1].tolist())


@pytest.mark.parametrize(
    ("rho", "summ", "expected"),
    [
        (0.9, 0.2, [True, True]),
        (0.5, 0.41, [False, False]),
        (0.9, 0.36, [True, False]),
        # on either side of the ratio, with what is added to every visual weight
        (0.249998, 0.2, [False, False]),
        (0.249999, 0.2, [True, False]),
        (0.857137, 0.2, [True, True]),
        (0.857135, 0.2, [True, False]),
    ],
)
def test_heads_that_look_at_the_picture(rho, summ, expected):
    chosen = image_centric(WEIGHTS, sinks(0, 4), number(rho, 1), number(summ, 1), VISUAL)
    assert chosen.tolist() == [expected]


@pytest.mark.parametrize("where", [(0, 5), (2, 3, 4), ()], ids=["none in it", "all of it", "none at all"])
def test_nothing_is_moved_in_a_picture_without_sinks_or_of_sinks_only(where):
    marked = sinks(*where)
    chosen = image_centric(WEIGHTS, marked, number(1.0, 1), number(0.0, 1), VISUAL)
    assert not chosen.any()
    assert torch.equal(redistribute(WEIGHTS, marked, chosen, number(0.6), VISUAL), WEIGHTS)


def test_a_head_whose_other_visual_weights_are_zero_keeps_its_row():
    weights = rows([0.5, 0.1, 0.0, 0.0, 0.3, 0.1], [0.3, 0.1, 0.2, 0.0, 0.3, 0.1])
    found = redistribute(weights, sinks(0, 4), torch.tensor([[True, True]]), number(0.5), VISUAL)
    assert torch.equal(found[:, 0], weights[:, 0])
    assert_printed(found[:, 1], *[0.15, 0.1, 0.5, 0.0, 0.15, 0.1])


def test_size_in_the_sink_dimensions():
    """In units of the root mean square of the whole state, no learned gain; the larger of the dimensions counts."""
    hidden = torch.tensor([[3.0, -4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, -5.0, 1.0]], dtype=torch.float64)
    found = Massive((1, 2))(hidden)
    expected = [4 / np.sqrt(6.25 + 1e-6), 0, 5 / np.sqrt(7 + 1e-6)]
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert Massive((1, 2))(hidden.bfloat16()).dtype == torch.float32
    assert Massive((1, 2)) == Massive((1, 2)) != Massive((2,))


def test_scores_raised_by_their_size():
    raised = amplify(SCORES, number(0.5), VISUAL)
    assert_printed(raised, [1, -0.5, 0.3, -0.5, 0.75, 0], [2, 0.5, -0.15, 0.6, 1.5, -0.2])
    assert_printed(
        raised.softmax(-1),
        [0.323674, 0.072221, 0.160732, 0.072221, 0.252078, 0.119073],
        [0.434113, 0.096864, 0.050567, 0.107051, 0.263303, 0.048101],
    )
    plain = [0.359427, 0.080199, 0.161501, 0.048643, 0.218004, 0.132226]
    assert_printed(SCORES.softmax(-1)[:, 0], *plain)


def test_scores_scaled():
    found = scale(SCORES, number(1.15), number(0.95), KEYS).softmax(-1)
    assert_printed(
        found,
        [0.342027, 0.082260, 0.166482, 0.041883, 0.235071, 0.132276],
        [0.459097, 0.110417, 0.048631, 0.108773, 0.216862, 0.056219],
    )
    assert found[0, 0, 3] < SCORES.softmax(-1)[0, 0, 3], "a negative score falls, as in the original"


SEEN, OTHER = rows(2, 1, 0, -3), rows(1.5, 1.4, 0.2, -3.5)


def test_contrast_with_a_noised_picture():
    assert float(2 + np.log(0.1)) == pytest.approx(-0.302585, abs=5e-7)
    assert_printed(contrast(SEEN, OTHER, number(1.0, 1), number(0.1, 1)), 2.5, 0.6, -0.2, -torch.inf)


def test_guidance_over_text_alone():
    found = guide(SEEN, OTHER, number(1.1, 1))
    assert_printed(found, -0.375165, -1.465165, -2.445165, -torch.inf)
    assert_printed(guide(SEEN + 7, OTHER - 3, number(1.1, 1)), *found[0].tolist())


def test_plausible_words():
    assert plausible(SEEN, number(1.0, 1)).tolist() == [[True, False, False, False]]
    assert plausible(SEEN, number(0.0, 1)).all()
    edge = torch.tensor([[0.0, np.log(0.5), np.log(0.5) - 1e-12]], dtype=torch.float64)
    assert plausible(edge, number(0.5, 1)).tolist() == [[True, True, False]]
    # the cut looks at what is said behind the picture, not at the outcome
    found = contrast(rows(0, -1), rows(9, -9), number(1.0, 1), number(0.3, 1))
    assert_printed(found, -9, 7)


SHARES = {0: 0.999978, 200: 0.987795, 500: 0.744799, 700: 0.351267, 900: 0.133143, 999: 0.081249}


@pytest.mark.parametrize("step", SHARES)
def test_noise_schedule(step):
    assert kept(step) == pytest.approx(SHARES[step], abs=1e-6)
    assert kept(step) == pytest.approx(kept_share(step), rel=1e-12)
    assert kept_share(500) ** 0.5 == pytest.approx(0.863017, abs=1e-6)
    assert (1 - kept_share(500)) ** 0.5 == pytest.approx(0.505175, abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 5, 3, 4, 4), (60, 96)], ids=str)
def test_noised_pictures(shape):
    pixels = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    before, state = pixels.clone(), torch.random.get_rng_state()
    found = noised(pixels, 500, 3)
    assert torch.equal(torch.random.get_rng_state(), state), "nobody else's random numbers change"
    assert torch.equal(pixels, before)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    expected = kept_share(500) ** 0.5 * pixels.double() + (1 - kept_share(500)) ** 0.5 * noise.double()
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=0)
    assert torch.equal(noised(pixels, 500, 3), found)
    assert (noised(pixels, 500, 4) - found).abs().mean() > 0.1
    assert noised(pixels.bfloat16(), 999, 3).dtype == torch.bfloat16
    torch.testing.assert_close(noised(pixels, 0, 3), pixels, atol=0.03, rtol=0)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        (torch.zeros(1, 100), 1.0),
        (torch.tensor([[10.0] + [0.0] * 99]), 0.001951),
        (torch.arange(100.0)[None], 0.451732),
    ],
)
def test_uncertainty_of_known_logits(logits, expected):
    assert float(uncertainty(logits, 10)) == pytest.approx(expected, abs=1e-6)


def test_uncertainty_of_a_certain_model_is_zero_not_nan_and_k_may_differ_by_row():
    logits = torch.stack([torch.tensor([1e4] + [0.0] * 20), torch.zeros(21)])
    found = uncertainty(logits, torch.tensor([10, 3]))
    assert found.tolist() == pytest.approx([0, 1])
    assert float(uncertainty(torch.zeros(1, 4), 10)) == pytest.approx(1), "a vocabulary smaller than k"


# What holds for any row -----------------------------------------------------------------------------------------------

B, H, K, N = 3, 4, 11, 5  # rows, heads, keys; the picture stands at 3 to 7, a padded key at 9
AT = slice(3, 3 + N)
PADDED = 9


def some(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def weights_with_padding():
    scores = 4 * some(B, H, K)
    scores[..., PADDED] = -torch.inf
    return scores.softmax(-1)


def scores_with_padding():
    scores = 4 * some(B, H, K) - 2
    scores[..., PADDED] = -torch.inf
    return scores


MEMORY = some(B, N, seed=1) / 4
LISTED = some(B, H, seed=2) > 0.3
MARKED = torch.zeros(B, K, dtype=torch.bool)
MARKED[:, [0, 4, 8]] = True  # one before the picture, one of it, one of the text
MARKED[2, 4] = False  # the last row has none in its picture


def column(x, rows_):
    """A setting that differs from row to row, (B, 1, 1) or any tensor by row."""
    return torch.tensor(x, dtype=torch.float64)[:, None, None][rows_]


def _redistribute(a, setting, visual, rows_):
    chosen = image_centric(a, MARKED[rows_], torch.ones(len(a), 1).double(), torch.zeros(len(a), 1).double(), visual)
    return redistribute(a, MARKED[rows_], chosen, setting, visual)


def _silence(a, setting, visual, rows_):
    text = slice(AT.stop, K)
    return silence(a, deaf(a, LISTED[rows_], setting[:, 0], text), text)


# name: (edit of rows with one setting each, input, three settings, the setting that changes nothing)
EDITS = {
    "smooth": (lambda a, s, v, r: smooth(a, MEMORY[r], s, v), weights_with_padding, (0.2, 0.5, 0.9), 1.0),
    "inject": (lambda a, s, v, r: inject(a, MEMORY[r], s, v), weights_with_padding, (0.2, 0.5, 2.0), 0.0),
    "redistribute": (_redistribute, weights_with_padding, (0.0, 0.6, 0.3), 1.0),
    "silence": (_silence, weights_with_padding, (0.1, 0.3, 0.0), 2.0),
    "amplify": (lambda z, s, v, r: amplify(z, s, v), scores_with_padding, (0.2, 0.5, 2.0), 0.0),
    "scale": (
        lambda z, s, v, r: scale(z, s, 1 + (1 - s) / 3, Keys(slice(0, AT.start), v, slice(AT.stop, K))),
        scores_with_padding,
        (1.15, 0.5, 2.0),
        1.0,
    ),
}
SETS_OF_WEIGHTS = ["smooth", "inject", "redistribute", "silence"]
ALL = slice(None)


@pytest.mark.parametrize("name", EDITS)
def test_what_is_given_is_not_written_to(name):
    edit, given, settings, _ = EDITS[name]
    before = given()
    used = edit(before, column(settings, ALL), AT, ALL)
    assert torch.equal(before, given())
    assert not torch.equal(used, before)


@pytest.mark.parametrize("name", EDITS)
def test_a_neutral_setting_gives_back_the_rows(name):
    edit, given, _, neutral = EDITS[name]
    torch.testing.assert_close(edit(given(), column([neutral] * B, ALL), AT, ALL), given(), atol=1e-15, rtol=1e-15)


@pytest.mark.parametrize("name", EDITS)
def test_rows_of_a_batch_do_not_know_of_each_other(name):
    edit, given, settings, _ = EDITS[name]
    together = edit(given(), column(settings, ALL), AT, ALL)
    for row in range(B):
        one = slice(row, row + 1)
        assert_close(edit(given()[one], column(settings, one), AT, one), together[one])


@pytest.mark.parametrize("name", EDITS)
def test_an_index_works_where_a_slice_does(name):
    edit, given, settings, _ = EDITS[name]
    index = torch.arange(K)[AT]
    setting = column(settings, ALL)
    assert_close(edit(given(), setting, index, ALL), edit(given(), setting, AT, ALL))


@pytest.mark.parametrize("name", EDITS)
def test_padding_stays_padding_and_spoils_nothing(name):
    edit, given, settings, _ = EDITS[name]
    padded = edit(given(), column(settings, ALL), AT, ALL)
    assert not padded.isnan().any()
    assert torch.equal(padded[..., PADDED], given()[..., PADDED])
    used = padded if name in SETS_OF_WEIGHTS else padded.softmax(-1)
    assert (used[..., PADDED] == 0).all()


@pytest.mark.parametrize("name", ["smooth", "inject", "redistribute"])
def test_rows_sum_to_one(name):
    edit, given, settings, _ = EDITS[name]
    sums = edit(given(), column(settings, ALL), AT, ALL).sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums), atol=1e-14, rtol=0)


def test_a_silenced_head_loses_what_it_gave_to_the_text_and_nothing_else():
    before, text = weights_with_padding(), slice(AT.stop, K)
    cut = EDITS["silence"][0](before, column((0.1, 0.3, 0.0), ALL), AT, ALL)
    acted = LISTED & (before[..., text].sum(-1) >= column((0.1, 0.3, 0.0), ALL)[:, 0])
    assert acted.any()
    assert not acted.all()
    torch.testing.assert_close(cut.sum(-1), torch.where(acted, before[..., : AT.stop].sum(-1), 1.0))
    assert torch.equal(cut[..., : AT.stop], before[..., : AT.stop])


@pytest.mark.parametrize("name", ["smooth", "inject"])
def test_ratios_outside_the_picture_are_kept(name):
    edit, given, settings, _ = EDITS[name]
    ratio = (edit(given(), column(settings, ALL), AT, ALL) / given())[..., [0, 1, 2, 8, 10]]
    torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio))


def test_what_sinks_lose_other_visual_tokens_get_in_proportion():
    before = weights_with_padding()
    after = EDITS["redistribute"][0](before, column((0.0, 0.6, 0.3), ALL), AT, ALL)
    for row, share in enumerate((0.0, 0.6)):
        torch.testing.assert_close(after[row][:, MARKED[row]], share * before[row][:, MARKED[row]])
        others = [3, 5, 6, 7]
        gained = after[row][:, others] / before[row][:, others]
        torch.testing.assert_close(gained, gained[:, :1].expand_as(gained))
        assert (gained > 1).all()
        untouched = [1, 2, 9, 10]
        assert torch.equal(after[row][:, untouched], before[row][:, untouched])
    assert torch.equal(after[2], before[2]), "no sink in its picture"


def test_logits_of_a_batch_do_not_know_of_each_other_and_are_not_written_to():
    seen, other = 5 * some(B, 7, seed=3), 5 * some(B, 7, seed=4)
    before = seen.clone(), other.clone()
    alpha, beta, gamma = (torch.tensor(x).double()[:, None] for x in ([0.5, 1, 2], [0.1, 0, 1], [1.1, 1.0, 3.0]))
    for outcome, settings in (
        (contrast(seen, other, alpha, beta), (alpha, beta)),
        (guide(seen, other, gamma), (gamma,)),
    ):
        assert torch.equal(seen, before[0])
        assert torch.equal(other, before[1])
        for row in range(B):
            one = slice(row, row + 1)
            function = contrast if len(settings) == 2 else guide
            assert_close(function(seen[one], other[one], *(s[one] for s in settings)), outcome[one])
    nothing = number(0.0, 1)
    torch.testing.assert_close(contrast(seen, other, nothing, nothing), seen)
    assert contrast(seen, other, nothing, nothing + 1).isfinite().sum() == B, "only the likeliest word is left"
    torch.testing.assert_close(guide(seen, other, nothing + 1).softmax(-1), seen.softmax(-1))
    assert guide(seen, other, nothing + 1).isfinite().all(), "gamma 1 rules nothing out"
