"""Numbers as people read them. Three significant digits, a unit, no scientific notation."""

import math

SPACE = "\u00a0"  # keeps number and unit on one line


def significant(value, digits=3):
    """`value` with so many significant digits: 0.0123, 1.23, 12.3, 123, 12,345."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def scaled(value, unit, names, step):
    if value is None or math.isnan(value):
        return "–"
    index = 0
    while abs(value) >= step * 0.9995 and index + 1 < len(names):
        value, index = value / step, index + 1
    return f"{significant(value)}{SPACE}{names[index]}{unit}".rstrip()


def bytes_text(value):
    """1.25 MiB"""
    return scaled(value, "", ("B", "KiB", "MiB", "GiB", "TiB"), 1024)


def nanoseconds_text(value):
    """35 ns, 1.2 µs, 3.4 ms"""
    return scaled(value, "", ("ns", "µs", "ms", "s"), 1000)


def rate_text(value):
    """12.3 M/s: operations per second."""
    return scaled(value, "/s", ("", "k", "M", "G"), 1000)


def count_text(value):
    """712,345"""
    return "–" if value is None or math.isnan(value) else f"{value:,.0f}"


def short_count_text(value):
    """150k: for the ticks of an axis"""
    return scaled(value, "", ("", "k", "M", "G"), 1000).replace(SPACE, "")


def ratio_text(value):
    """2.31"""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.2f}"


def percent_text(share):
    """98.3 %; never 0 % or 100 % for what is not quite that"""
    if share is None or math.isnan(share):
        return "–"
    if share in (0, 1):
        return f"{share:.0%}".replace("%", f"{SPACE}%")
    percent = 100 * share
    if percent < 0.01:
        return f"under 0.01{SPACE}%"
    if percent > 99.99:
        return f"over 99.99{SPACE}%"
    digits = 2 if percent < 1 or percent > 99 else 1
    return f"{percent:.{digits}f}{SPACE}%"
