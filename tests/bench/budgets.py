"""How each benchmark says a budget: one line, which `tests/bench/run` puts into its table at the end
(bench_*.c print the same by budget.h)."""


def budget(what, value, relation, limit):
    """`relation` is "≤" or "≥". Whether it is held."""
    held = value >= limit if relation == "≥" else value <= limit
    print(f"budget: {what}: {value:.2f} {relation} {limit:g}: {'held' if held else 'MISSED'}", flush=True)
    return held
