"""The report's numbers as Markdown, one function for each section of report.py; nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable]) -> str:
    """A Markdown table; numbers stand on the right."""
    lines = [list(map(str, head)), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(
        ["| " + " | ".join(lines[0]) + " |", "|---" + "|---:" * (len(lines[0]) - 1) + "|"]
        + ["| " + " | ".join(line) + " |" for line in lines[1:]]
    )


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def between(interval: Iterable[float]) -> str:
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f}"


def signed(share: float) -> str:
    return f"{100 * share:+.2f}"


def _shares(title: str, found: dict, what: str = "right") -> str:
    return table((title, what, "95 % interval", "of"), ((k, *_share(found[k])) for k in found))


def _share(s: dict) -> tuple[str, str, int]:
    return percent(s["share"]), between(s["interval"]), s["of"]


def about(found: dict) -> str:
    weights = ", ".join(f"{name} sha256 {value}" for name, value in found["sha256"].items())
    versions = ", ".join(f"{name} {value}" for name, value in found["versions"].items())
    return (
        f"# Scenes model: report\n\n{found['folder']}: {found['megabytes']:.1f} MB, "
        f"{found['parameters'] / 1e6:.2f} million parameters, {weights}.\n"
        f"First token after {found['first token, milliseconds on one core']:.0f} ms on one core (median, opening the "
        f"picture included).\n{found['questions of each type']} questions of each type; test seed "
        f"{found['seeds']['test']}, validation seed {found['seeds']['validation']}; {versions}."
    )


def _answer_rows(types: dict) -> Iterable[tuple]:
    for name, row in types.items():
        by = row.get("by answer", {})
        bar = "" if row["bar"] is None else percent(row["bar"], 0)
        reached = {None: "", True: "yes", False: "NO"}[row["reached"]]
        yield name, *_share(row), bar, reached, *(percent(by[k]) if k in by else "" for k in ("Yes", "No"))


def accuracy(found: dict) -> str:
    head = ("questions (vanilla)", "right", "95 % interval", "of", "bar", "reached", "truth Yes", "truth No")
    numbers = ("zero", "one", "two", "three", "four", "five")
    counts = {n: found["how many, by number"][n] for n in numbers if n in found["how many, by number"]}
    equal, of = found["engine and generate agree"]
    return "\n\n".join(
        [
            "\n## Accuracy",
            table(head, _answer_rows(found["types"])),
            _shares("how many: truth", counts),
            _shares("relation", found["relation, by direction"]),
            _shares("contact: truth", found["contact, by answer"]),
            _shares("descriptions", found["description"], "share"),
            f"The engine's answers equal those of transformers' `generate` in {equal} of {of} questions.",
        ]
    )


def styles(found: dict) -> str:
    rows = found["styles"]
    head = ("questions", *(f"{style} (held out)" if style == found["held out"] else style for style in rows))
    held = rows[found["held out"]]
    names = list(held)
    cells = ((name, *(f"{percent(rows[s][name]['share'])} ({between(rows[s][name]['interval'])})" for s in rows))
             for name in names)  # fmt: skip
    return f"\n## Styles, {held[names[0]]['of']} questions of each type\n\n" + table(head, cells)


def phrasings(found: dict) -> str:
    kinds = ((kind, row["wordings"], *_share(row["blind"])[:2], *_share(row["plain"])) for kind, row in
             found["kinds"].items())  # fmt: skip
    blind, plain = found["all"]["blind"], found["all"]["plain"]
    total = ("all", found["wordings"], *_share(blind)[:2], *_share(plain))
    head = ("kind", "wordings", "blind wordings", "95 % interval", "plain, same scenes", "95 % interval", "questions")
    same = found["token for token a training wording"]
    new = found["all"]["new"]
    worst = ((row["kind"], f"`{row['wording']}`", f"{row['right']} of {row['of']}") for row in found["worst"])
    return "\n\n".join(
        [
            "\n## Phrasings that were written without reading the training's",
            table(head, (*kinds, total)),
            f"Of the {found['wordings']} wordings, {same.get('bare', 0)} are token for token one of the training's, "
            f"{same.get('dressed', 0)} more are one with its small talk around it; on the {same.get('', 0)} new ones "
            f"{percent(new['share'])} ({between(new['interval'])}).",
            table(("kind", "the ten worst", "right"), worst),
        ]
    )  # fmt: skip


def _numbers(values: Iterable[float], digits: int = 3) -> list[str]:
    return ["" if value != value else f"{value:.{digits}f}" for value in values]


def phenomenon(found: dict) -> str:
    v, c = found["vanilla"], found["clvs"]
    rows = zip(
        range(len(v["key object"])),
        *(_numbers(m[what]) for what in ("key object", "picture") for m in (v, c)),
        *(m["peak layer"] for m in (v, c)),
        (f"{100 * gain:+.0f} %" for gain in found["gain"]),
        (f"{100 * gain:+.0f} %" for gain in found["gain of the means"]),
        strict=True,
    )
    head = (
        "layer", "key object, vanilla", "CLVS", "picture, vanilla", "CLVS", "peaks here, vanilla", "CLVS",
        "gain (mean of clipped)", "gain of the means",
    )  # fmt: skip
    halves = "; ".join(
        f"{name} {m['half-life']:.2f} layers (never within the model: {percent(m['never falls by half'])})"
        for name, m in (("vanilla", v), ("CLVS", c))
    )
    return "\n\n".join(
        [
            f"\n## Attention of the row that predicts the answer, {found['questions']} positive existence questions",
            table(head, rows),
            f"Half-life after the peak (median): {halves}.",
            f"CLVS's gain after the peak of vanilla's mean curve: {percent(found['gain after the peak'])} "
            f"(mean of clipped), {percent(found['gain of the means after the peak'])} (of the means).",
        ]
    )


def convergence(found: dict) -> str:
    names = ("converged", "uncertainty", "below gamma", "below gamma, yet not converged")
    rows = zip(range(len(found["converged"])), *(_numbers(found[name]) for name in names), strict=True)
    low, high = found["half_converged_interval"]
    return "\n\n".join(
        [
            f"\n## Uncertainty and convergence, {found['questions']} validation questions",
            table(("layer", "converged", "mean uncertainty", "below gamma", "of these not converged"), rows),
            f"Point-biserial correlation {found['correlation']:.3f} (p {found['p']:.2g}, {found['observations']} "
            f"observations). Logistic regression: intercept {found['intercept']:.2f}, slope {found['slope']:.2f} "
            f"({found['slope_interval'][0]:.2f} to {found['slope_interval'][1]:.2f}); half have converged at an "
            f"uncertainty of {found['half_converged']:.3f} ({low:.3f} to {high:.3f}), so gamma is {found['gamma']:g}.",
        ]
    )


def settings(found: dict) -> str:
    cells = {(row["alpha"], row["beta"]): row["accuracy"] for row in found["grid"]}
    alphas, betas = sorted({a for a, _ in cells}), sorted({b for _, b in cells})
    rows = ((f"alpha {a:g}", *(percent(cells[a, b], 2) if (a, b) in cells else "" for b in betas)) for a in alphas)
    best = found["best"]
    return "\n\n".join(
        [
            f"\n## Settings: accuracy on {found['questions']} validation questions "
            f"(vanilla {percent(found['vanilla'], 2)})",
            table(("", *(f"beta {b:g}" for b in betas)), rows),
            f"Best: alpha {best['alpha']:g}, beta {best['beta']:g}. For the card: {found['card']}.",
        ]
    )


def clvs(found: dict) -> str:
    rows = (
        (name, percent(r["vanilla"], 2), percent(r["clvs"], 2), signed(r["difference"]),
         " to ".join(map(signed, r["interval"])), r["lost"], r["won"], f"{r['p']:.3g}", r["of"])
        for name, r in found["types"].items()
    )  # fmt: skip
    head = (
        "questions", "vanilla", "CLVS", "difference, points", "95 % interval", "only vanilla right", "only CLVS right",
        "McNemar p", "of",
    )  # fmt: skip
    rates = (
        (name, *(f"{percent(by[m][what]['share'])} ({between(by[m][what]['interval'])})"
                 for what in ("true positives", "false positives") for m in ("vanilla", "clvs")))
        for name, by in found["existence"].items()
    )  # fmt: skip
    stops = ", ".join(f"{layer}: {times}" for layer, times in found["stopped after layer"].items())
    return "\n\n".join(
        [
            f"\n## CLVS ({', '.join(f'{k} {v}' for k, v in found['settings'].items())}) against vanilla, test split",
            table(head, rows),
            table(("existence", "true positives, vanilla", "CLVS", "false positives, vanilla", "CLVS"), rates),
            f"Smoothing stopped after layer (0-based, -1 never), first token: {stops}.",
        ]
    )
