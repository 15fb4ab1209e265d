"""How the page looks: a quiet Gradio theme with fonts every machine has, so that nothing is fetched from elsewhere."""

from __future__ import annotations

import gradio as gr

SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")


def theme() -> gr.themes.Base:
    """Neutral greys, one ink-blue accent, hairlines instead of shadows."""
    accent = gr.themes.Color(
        c50="#eef4fb", c100="#d9e6f5", c200="#b5cdea", c300="#8aaedb", c400="#5c8ac8", c500="#3a6bb0",
        c600="#2b5694", c700="#234678", c800="#1d395f", c900="#182e4c", c950="#101e33",
    )  # fmt: skip
    base = gr.themes.Base(
        primary_hue=accent,
        secondary_hue=accent,
        neutral_hue=gr.themes.colors.zinc,
        font=SANS,
        font_mono=MONO,
        text_size=gr.themes.sizes.text_sm,
        spacing_size=gr.themes.sizes.spacing_sm,
        radius_size=gr.themes.sizes.radius_sm,
    )
    return base.set(
        body_background_fill="#ffffff",
        body_background_fill_dark="#15161b",
        background_fill_primary_dark="#191b20",
        background_fill_secondary_dark="#1f2127",
        border_color_primary="#e3e5e9",
        border_color_primary_dark="#2c2f37",
        block_border_width="0px",
        block_shadow="none",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_padding="0px",
        block_label_text_size="*text_sm",
        block_info_text_size="*text_xs",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_500",
        button_primary_text_color="white",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
        input_background_fill="#ffffff",
        input_background_fill_dark="#191b20",
    )
