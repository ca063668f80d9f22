"""What a disk may hold after a power cut: from the shim's record of all operations. What was synced
is there. Of what was not, by `kind`:
  lost    nothing
  torn    a random part of the writes, in any order, the last of them cut at a sector
  strict  nothing, and names (made, renamed, removed) only where their directory was synced behind
          them: less than file systems in use promise, and all that POSIX does."""
import pathlib
import random
import shutil

SECTOR = 512


class File:
    def __init__(self, durable=b""):
        self.durable, self.pending = durable, []  # pending: (offset, bytes), or (length, None) for a truncation

    def now(self):
        return applied(self.durable, self.pending)

    def sync(self):
        self.durable, self.pending = self.now(), []


def applied(content, changes):
    out = bytearray(content)
    for offset, data in changes:
        if data is None:
            out[offset:] = b""
            out.extend(b"\0" * (offset - len(out)))
        else:
            out.extend(b"\0" * (offset - len(out)))
            out[offset:offset + len(data)] = data
    return bytes(out)


def operations(record):
    """(operation, path, offset, bytes) in their order; one that was cut off ends it."""
    at = 0
    while (end := record.find(b"\n", at)) >= 0:
        operation, offset, length, path = record[at:end].decode().split(" ", 3)
        data = record[end + 1:end + 1 + int(length)]
        at = end + 1 + int(length)
        yield operation, path, int(offset), data


class Disk:
    """Begins with what is below `root` now."""

    def __init__(self, root):
        self.root = str(root)
        self.names = {}  # path -> File, or None for a directory
        for path in [root, *root.rglob("*")] if root.exists() else []:
            self.names[str(path)] = None if path.is_dir() else File(path.read_bytes())
        self.durable_names = dict(self.names)

    def sync(self, path):
        found = self.names.get(path)
        if found:
            found.sync()
            return
        mine = lambda name: str(pathlib.PurePath(name).parent) == path
        for name in [name for name in self.durable_names if mine(name) and name not in self.names]:
            del self.durable_names[name]
        self.durable_names.update({name: file for name, file in self.names.items() if mine(name)})

    def carry_out(self, operation, path, offset, data):
        if operation == "write":
            file = self.names[path]
            file.pending.append((len(file.now()) if offset < 0 else offset, data))
        elif operation == "truncate":
            self.names[path].pending.append((offset, None))
        elif operation == "sync":
            self.sync(path)
        elif operation == "sync-all":
            for name in [name for name in self.names if pathlib.PurePath(name).is_relative_to(path)]:
                self.sync(name)
        elif operation == "create":
            self.names[path] = File()
        elif operation == "mkdir":
            self.names[path] = None
            if path == self.root:  # what is above it is not watched
                self.durable_names[path] = None
        elif operation == "rename":
            self.names[data.decode()] = self.names.pop(path)
        elif operation == "link":
            self.names[data.decode()] = self.names[path]
        elif operation in ("unlink", "rmdir"):
            del self.names[path]
        else:
            raise AssertionError(f"the shim's record has {operation}")

    def content(self, file, kind, chance):
        if kind != "torn":
            return file.durable
        kept = [change for change in file.pending if chance.random() < 0.5]
        chance.shuffle(kept)
        if kept and kept[-1][1]:
            offset, data = kept[-1]
            kept[-1] = (offset, data[:len(data) // 2 // SECTOR * SECTOR])
        return applied(file.durable, kept)

    def put(self, root, kind, seed):
        """Writes what is left below `root`, which is empty."""
        chance, root_path = random.Random(seed), str(root)
        names = self.durable_names if kind == "strict" else self.names
        for path, file in sorted(names.items()):
            place = pathlib.Path(path)
            if not place.is_relative_to(root) or path.endswith("-shm"):
                continue
            if path != root_path and not place.parent.is_dir():
                continue  # its directory did not come through, and it with that
            if file is None:
                place.mkdir(mode=0o700, exist_ok=True)
            else:
                place.write_bytes(self.content(file, kind, chance))
                place.chmod(0o600)


    def cut(self, record, kind, seed):
        """Replaces what is below its root by what a power cut after the record leaves of it."""
        for operation in operations(record):
            self.carry_out(*operation)
        root = pathlib.Path(self.root)
        shutil.rmtree(root, ignore_errors=True)
        self.put(root, kind, seed)
