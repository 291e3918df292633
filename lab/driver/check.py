"""lab/check: breaks the shop in each way and heals it, and sees by measures of its own that it bites and heals."""

import signal
import time

from . import commands, faults, measures, services, truth
from .place import Place, default_folder, fail

BITES_S, HEALS_S = 25, 40


def until(measure, place, judge, before, limit_s):
    """(number, seconds, ok): reads until the judgement holds."""
    begun = time.monotonic()
    while True:
        try:
            now = measure.read(place)
            ok = judge(before, now)
        except (RuntimeError, OSError, ValueError, KeyError) as e:
            now, ok = float("nan"), False
            if time.monotonic() - begun > limit_s:
                commands.tell(f"  {e}")
        took = time.monotonic() - begun
        if ok or took > limit_s:
            return now, took, ok
        time.sleep(0.5)


def one(place, name):
    """A row of the table, and whether all went as it should."""
    measure = measures.ALL[name]
    measure.read(place)
    before = measure.read(place)
    if measure.bites(before, before):
        return [name, measure.what, f"{before:.1f}", "broken before it was broken", "", "", ""], False
    faults.break_(place, name)
    broken, bit_s, bites = until(measure, place, measure.bites, before, BITES_S)
    faults.mend(place, name)
    after, healed_s, heals = until(measure, place, measure.heals, before, HEALS_S)
    said = "yes" if bites and heals else "DOES NOT BITE" if not bites else "DOES NOT HEAL"
    row = [name, measure.what, f"{before:.1f}", f"{broken:.1f}", f"{after:.1f}", f"{bit_s:.0f} s / {healed_s:.0f} s", said]
    return row, bites and heals


def truth_is_whole(place, names):
    """Each fault of the check has its two lines, the second with an end after its begin."""
    lines = truth.read(place)
    for name in names:
        of = [line for line in lines if line["fault"] == name]
        if [line["event"] for line in of] != ["begin", "end"] or of[1]["begun"]["ms"] > of[1]["ended"]["ms"]:
            fail(f"truth.jsonl does not tell the story of {name}: {of}")


def check():
    options = commands.arguments(
        "Breaks the shop in each way and heals it, and sees that it bites and heals. Needs no Midwatch.",
        (["--only"], {"action": "append", "choices": sorted(faults.ALL), "metavar": "NAME", "help": "only this fault"}),
        (["--shop"], {"metavar": "PROGRAM", "help": "the shop's program"}),
        (["--with-midwatch"], {"action": "store_true", "help": "also that Midwatch takes all that is sent and finds it"}),
        (["--midwatch"], {"metavar": "PROGRAM", "help": "the program to watch with"}),
    )
    folder = options.folder if str(options.folder) != str(default_folder()) else f"{default_folder()}-check"
    options.without_midwatch, options.usual_ports, options.sessions = not options.with_midwatch, False, 0.5
    place = Place(folder)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = options.only or list(faults.ALL)
    rows, good = [], True
    try:
        commands.build_up(place, options)
        for name in names:
            row, ok = one(place, name)
            commands.tell(" | ".join(row))
            rows.append(row)
            good &= ok
        truth_is_whole(place, names)
        if options.with_midwatch:
            from . import proof
            good &= proof.all_of_it(place, commands.tell)
        customers = services.measured(place, 30)
    finally:
        commands.take_down(place)
    head = ["fault", "measure", "before", "broken", "after", "bites / heals after", "as it should"]
    print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(f"\nCustomers in the last 30 s: {sum(m['count'] for m in customers.values())} requests")
    if not good:
        fail("not all is as it should be")
    print("All faults bite and heal.")
