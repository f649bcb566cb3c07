"""`lookalive simulate`: histories of a modelled cluster, to look for one that breaks, and to look at it again."""

from typing import Annotated

import typer

from ops.console import out, print_json, spoken_errors


def simulate(
    seed: Annotated[int, typer.Option(min=0, help="the first history; with --histories 1, its trace is printed")] = 0,
    histories: Annotated[int, typer.Option(min=1, help="how many, with seeds one after another")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for scripts")] = False,
) -> None:
    """Run a model of nodes, routers, log and operators through kills and delays; 1 if what must hold broke."""
    from ops.simulation.history import History
    from ops.simulation.routers import Violation

    broken, checked = [], 0
    with spoken_errors(as_json):
        for one in range(seed, seed + histories):
            history = History(one)
            try:
                history.run()
            except Violation as violation:
                broken.append({"seed": one, "violation": str(violation), "trace": history.trace})
            checked += history.checked
            if histories == 1 and not as_json:
                out.print("\n".join(history.trace))
    if as_json:
        print_json({"seed": seed, "histories": histories, "checked": checked, "broken": broken})
    else:
        for one_broken in broken:
            out.print(f"seed {one_broken['seed']}: {one_broken['violation']}")
        out.print(f"{histories:,} histories, {checked:,} answers checked, {len(broken)} broken")
    raise typer.Exit(1 if broken else 0)
