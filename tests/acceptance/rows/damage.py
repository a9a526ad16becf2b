"""Every stored object damaged in every way: found and named, never restored wrong, and the rest restores."""

import concurrent.futures
import os
import random
import shutil

from harness import compare, made
from harness.environment import WORK, copy_tree, fresh, remove
from harness.snaphold import DAMAGED, DONE, Repository

SEED = 20_260_101
FLIPS_IN_THE_MIDDLE = 8
DAYS = 3


def measure(row):
    base = fresh(WORK / "damage")
    repository, originals = build(base)
    repository.expect_sound()
    objects = repository.objects()
    other = [path for path in repository.path.rglob("*") if path.is_file() and str(path.relative_to(repository.path)) not in objects
             and not any(folder in path.parents for folder in repository.index_folders())]
    row.note(f"{len(objects)} objects in {len(originals)} snapshots of 2 instances, seed {SEED}; "
             f"not counted as objects: {', '.join(sorted(path.name for path in other)) or 'nothing'}")
    work = list(enumerate(damages(objects)))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(lambda item: one(repository, originals, base / f"copy-{item[0]}", *item[1]), work))
    summarise(row, outcomes)
    remove(base)


def build(base):
    """A repository of two instances, and the tree of each snapshot as it was: `(repository, {id: tree})`."""
    repository = Repository.create(base / "original")
    originals = {}
    for instance in ("shop", "wiki"):
        source = base / instance
        made.small_tree(source, f"{SEED}-{instance}")
        repository.add_instance(instance, source)
        for day in range(DAYS if instance == "shop" else 1):
            if day > 0:
                made.change(source, f"{SEED}-{day}")
            snapshot = repository.take(instance)[1]["id"]
            originals[snapshot] = base / f"as-{snapshot}"
            copy_tree(source, originals[snapshot])
    return repository, originals


def damages(objects):
    """Every damage: `(object, what, a function that does it to the file)`."""
    choose = random.Random(SEED)
    names = sorted(objects)
    for name in names:
        length = objects[name].stat().st_size
        if length == 0:
            continue
        inner = {choose.randrange(length) for _ in range(FLIPS_IN_THE_MIDDLE)}
        for offset in sorted({0, 1, length // 2, length - 2, length - 1} & set(range(length)) | inner):
            yield name, f"byte {offset} flipped", flip(name, offset, 1 << choose.randrange(8))
        yield name, "cut to half", cut(name, length // 2)
        yield name, "cut by a byte", cut(name, length - 1)
        yield name, "emptied", cut(name, 0)
        yield name, "removed", lambda path, name=name: os.unlink(path / name)
        # Twins, such as a config and its spare copy, may change places unnoticed.
        peers = [peer for peer in names if peer.split("/")[0] == name.split("/")[0]
                 and objects[peer].read_bytes() != objects[name].read_bytes()]
        if peers:
            yield name, f"swapped with {(peer := choose.choice(peers))}", swap(name, peer)


def flip(name, offset, bit):
    def act(path):
        with open(path / name, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ bit]))
    return writable(name, act)


def cut(name, length):
    return writable(name, lambda path: os.truncate(path / name, length))


def swap(name, other):
    def act(path):
        spare = path / "swapping"
        os.rename(path / name, spare)
        os.rename(path / other, path / name)
        os.rename(spare, path / other)
    return act


def writable(name, act):
    """Objects may be stored read-only."""
    def wrapped(path):
        os.chmod(path / name, 0o600)
        act(path)
    return wrapped


def one(repository, originals, base, name, what, act):
    """Does one damage to a copy, and looks: a record of what was found."""
    copy = repository.copy(base)
    act(copy.path)
    verified = copy.verify()
    concerned = [name] + [what.split()[-1]] * what.startswith("swapped")
    faults = []
    if verified.code != DAMAGED:
        faults.append(f"verify exits {verified.code}")
    if not any(named(part, verified.text) for part in concerned):
        faults.append("verify does not name it")
    if "panicked" in verified.text or verified.code not in range(7):
        faults.append(f"verify crashes: {verified.run.stderr.strip()[:160]}")
    restored = refused = 0
    for snapshot, original in originals.items():
        # Each restore into a folder of its own, so that whatever a failed one leaves is seen.
        place = fresh(base / f"restore-{snapshot}")
        answer = copy.restore(snapshot, place / "out")
        if answer.code == DONE:
            restored += 1
            faults += [f"{snapshot} restores wrong: {difference}" for difference in compare.differences(original, place / "out")[:1]]
        else:
            refused += 1
            faults += judge_refusal(snapshot, answer, place)
    shutil.rmtree(base)
    return {"object": name, "what": what, "faults": faults, "restored": restored, "refused": refused}


def named(name, text):
    """Whether an object's name is in a text: all of it, or its last part where that is no ordinary word."""
    leaf = name.split("/")[-1]
    return name in text or (len(leaf) >= 16 and leaf in text)


def judge_refusal(snapshot, answer, place):
    """What is wrong with how a restore failed."""
    if answer.code != DAMAGED:
        yield f"restore of {snapshot} exits {answer.code}: {answer.text.strip()[:120]}"
    left = [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    whole_looking = [path for path in left if not path.relative_to(place).parts[0].startswith(".")]
    if whole_looking:
        yield f"failed restore of {snapshot} leaves {whole_looking[0].relative_to(place)}"


def summarise(row, outcomes):
    """A check for each kind of object and kind of damage."""
    groups = {}
    for outcome in outcomes:
        what = "flipped" if outcome["what"].endswith("flipped") else outcome["what"].split(" with ")[0]
        groups.setdefault((outcome["object"].split("/")[0], what), []).append(outcome)
    for (kind, what), group in sorted(groups.items()):
        bad = [outcome for outcome in group if outcome["faults"]]
        example = f"; {len(bad)} with faults, such as {bad[0]['object']} {bad[0]['what']}: {bad[0]['faults'][0]}" if bad else ""
        row.check(f"{kind}, {what}: {len(group)} damages, {sum(o['refused'] for o in group)} restores refused, "
                  f"{sum(o['restored'] for o in group)} equal{example}", not bad)
    packs = [outcome for outcome in outcomes if outcome["object"].startswith("packs/")]
    row.check(f"damaged packs: {sum(o['refused'] > 0 for o in packs)} of {len(packs)} affect a snapshot, "
              f"{sum(o['restored'] > 0 for o in packs)} leave another whole",
              any(o["refused"] for o in packs) and any(o["restored"] for o in packs))
