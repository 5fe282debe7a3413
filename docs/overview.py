"""Draws overview.png: what the teacher sees, what the student sees, what is exported."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

SERVED, PRIVILEGED, EXPORT, INK = "#dbe9f6", "#fde3c8", "#e0f0dc", "#333333"


def main() -> None:
    """Writes the picture beside this file."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 46)
    axes.axis("off")

    def box(x: float, y: float, w: float, h: float, text: str, color: str) -> None:
        patch = FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0.4", fc=color, ec=INK, lw=1)
        axes.add_patch(patch)
        axes.text(x + w / 2, y + h / 2, text, ha="center", va="center", fontsize=9.5, color=INK)

    def arrow(start: tuple, end: tuple, style: str = "-") -> None:
        axes.annotate(
            "", end, start, arrowprops={"arrowstyle": "->", "ls": style, "color": INK, "lw": 1.3}
        )

    box(1, 28, 17, 9, "privileged features X*\n(cross, post-event)", PRIVILEGED)
    box(1, 8, 17, 11, "served features X\n(user, item, history)", SERVED)
    box(26, 8, 15, 11, "FeatureEncoder\nshared tables", SERVED)
    box(49, 26, 15, 11, "teacher\nsees X and X*", PRIVILEGED)
    box(49, 8, 15, 11, "student\nsees X", SERVED)
    contents = "served tables, lookups\nuser tower\nitem tower\nitem-embedding table"
    box(81, 3, 17, 17, f"export\n\n{contents}", EXPORT)
    box(68, 20, 8, 5, "labels y", "#ffffff")
    arrow((18.6, 32.5), (48.4, 32.5))
    arrow((18.6, 13.5), (25.4, 13.5))
    arrow((41.6, 13.5), (48.4, 13.5))
    arrow((41.6, 16), (48.4, 28))
    arrow((56.5, 25.4), (56.5, 19.8))
    axes.text(57.5, 22.2, "soft labels\n(stop_gradient)", fontsize=8.5, va="center", color=INK)
    arrow((70.5, 25.6), (64.7, 30.5))
    arrow((70.5, 19.4), (64.7, 15.5))
    arrow((64.6, 11), (80.4, 11), style="--")
    axes.plot([33.5, 33.5], [7.4, 4], ls="--", color=INK, lw=1.3)
    arrow((33.2, 4), (80.4, 4), style="--")
    axes.text(71, 8, "strip", ha="center", fontsize=8.5, color=INK)
    axes.text(38, 42.5, "training: one model.fit", ha="center", fontsize=11, color=INK)
    axes.text(89.5, 42.5, "serving", ha="center", fontsize=11, color=INK)
    axes.plot([78.5, 78.5], [1, 44], ls=":", color="#999999")
    figure.savefig(Path(__file__).with_name("overview.png"), dpi=130)


if __name__ == "__main__":
    main()
