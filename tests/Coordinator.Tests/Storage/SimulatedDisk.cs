using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Tests.Storage;

/// <summary>
/// A file system in memory that separates the view of programs from what a power cut leaves: a random prefix of the unflushed changes of
/// each file and folder, with a torn write or a page of zeros where bytes were never written. It can be full or broken for a while.
/// </summary>
internal sealed class SimulatedDisk(Random random) : IFileSystem
{
    private const int Page = 64;

    private SimulatedFolder _root = new();

    /// <summary>The bytes that all files together may have; null for any number.</summary>
    public long? Capacity { get; set; }

    /// <summary>Whether nothing can be written, renamed or flushed.</summary>
    public bool IsBroken { get; set; }

    /// <summary>Whether no file can be read.</summary>
    public bool IsUnreadable { get; set; }

    /// <summary>Called with name and path before each change; may throw.</summary>
    public Action<string, string> OnCall { get; set; } = (_, _) => { };

    /// <summary>The effects of power cuts on files, with their counts.</summary>
    public SortedDictionary<string, int> Seen { get; } = new(StringComparer.Ordinal);

    /// <summary>Bytes of all files.</summary>
    public long Used => _root.Bytes;

    /// <summary>Cuts the power: open files and a random part of the unflushed data are lost.</summary>
    public void CutPower() => _root = _root.Survive(random, Note);

    /// <summary>Moves the volume to another machine, as a power cut would leave it. Everything fails on the former one.</summary>
    public SimulatedDisk MoveAway()
    {
        var moved = new SimulatedDisk(random) { _root = _root.Survive(random, Note), OnCall = OnCall };
        foreach (var (what, count) in Seen) moved.Seen[what] = count;
        (IsBroken, IsUnreadable) = (true, true);
        OnCall = (_, _) => { };
        return moved;
    }

    public bool FileExists(string path) => Find(path) is SimulatedFile;

    public bool FolderExists(string path) => Find(path) is SimulatedFolder;

    public IReadOnlyList<string> FoldersIn(string path) =>
        Find(path) is SimulatedFolder folder
            ? [.. folder.Entries.Where(entry => entry.Value is SimulatedFolder).Select(entry => $"{path}/{entry.Key}")] : [];

    public Stream OpenRead(string path) =>
        IsUnreadable ? throw new IOException($"Input/output error : '{path}'")
        : Find(path) is SimulatedFile file ? new MemoryStream([.. file.Bytes], writable: false)
        : throw new FileNotFoundException($"Could not find file '{path}'");

    public Stream OpenWrite(string path, bool isNew, bool isPrivate = false)
    {
        Call("open", path);
        var (folder, name) = Parent(path);
        if (folder.Entries.GetValueOrDefault(name) is not SimulatedFile file)
        {
            if (Capacity is { } capacity && Used >= capacity) throw Full(path);
            folder.Set(name, file = new());
        }
        if (isNew) file.SetLength(0);
        return new OpenFile(this, file, path);
    }

    public void FlushToDisk(Stream file)
    {
        var open = (OpenFile)file;
        try
        {
            Call("flush", open.Path);
        }
        catch (IOException)
        {
            // Linux marks pages that it failed to write as clean, so another flush does not write them either.
            open.File.LosePending();
            throw;
        }
        open.File.Flush();
    }

    public void CreateFolder(string path)
    {
        if (FolderExists(path)) return;
        Call("create", path);
        if (Capacity is { } capacity && Used >= capacity) throw Full(path);
        var (folder, name) = Parent(path);
        folder.Set(name, new SimulatedFolder());
    }

    public void FlushFolder(string path)
    {
        Call("flush", path);
        (Find(path) as SimulatedFolder ?? throw new IOException($"'{path}' is no folder")).Flush();
    }

    public void MoveFile(string from, string to) => Move(from, to);

    public void MoveFolder(string from, string to)
    {
        if (Find(to) is not null) throw new IOException($"'{to}' exists");
        Move(from, to);
    }

    public void DeleteFile(string path)
    {
        if (Find(path) is not SimulatedFile) return;
        Delete(path);
    }

    public void DeleteFolder(string path)
    {
        if (Find(path) is not SimulatedFolder) return;
        Delete(path);
    }

    /// <summary>Overwrites whole pages of a file with zeros on the disk, as a failing device does.</summary>
    public void Damage(string path)
    {
        if (Find(path) is not SimulatedFile { Bytes.Count: > 0 } file) return;
        var at = random.Next(file.Bytes.Count) / Page * Page;
        file.Write(at, new byte[Math.Min(Page, file.Bytes.Count - at)]);
        file.Flush();
        Note("a page of zeros in a file that was flushed");
    }

    public void Note(string what) => Seen[what] = Seen.GetValueOrDefault(what) + 1;

    private static IOException Full(string path) => new($"No space left on device : '{path}'");

    private void Call(string what, string path)
    {
        OnCall(what, path);
        if (IsBroken) throw new IOException($"Input/output error : '{path}'");
    }

    private void Move(string from, string to)
    {
        Call("move", to);
        var (source, name) = Parent(from);
        var (target, newName) = Parent(to);
        if (source != target) throw new NotSupportedException("between folders");
        source.Rename(name, newName);
    }

    private void Delete(string path)
    {
        Call("delete", path);
        var (folder, name) = Parent(path);
        folder.Remove(name);
    }

    private object? Find(string path)
    {
        object? at = _root;
        foreach (var name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
            at = (at as SimulatedFolder)?.Entries.GetValueOrDefault(name);
        return at;
    }

    private (SimulatedFolder Folder, string Name) Parent(string path)
    {
        var cut = path.LastIndexOf('/');
        var folder = Find(path[..cut]) as SimulatedFolder;
        return (folder ?? throw new DirectoryNotFoundException($"Could not find a part of the path '{path}'"), path[(cut + 1)..]);
    }

    private sealed class OpenFile(SimulatedDisk disk, SimulatedFile file, string path) : Stream
    {
        public SimulatedFile File => file;

        public string Path => path;

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => true;

        public override long Length => file.Bytes.Count;

        public override long Position { get; set; }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = (int)Math.Min(count, Math.Max(0, Length - Position));
            file.Bytes.CopyTo((int)Position, buffer, offset, read);
            Position += read;
            return read;
        }

        public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
        {
            SeekOrigin.Begin => offset,
            SeekOrigin.Current => Position + offset,
            _ => Length + offset,
        };

        public override void SetLength(long value)
        {
            disk.Call("truncate", path);
            file.SetLength((int)value);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            disk.Call("write", path);
            var room = disk.Capacity is { } capacity ? capacity - disk.Used + Math.Max(0, Length - Position) : long.MaxValue;
            var fits = (int)Math.Clamp(room, 0, buffer.Length);
            file.Write((int)Position, buffer[..fits].ToArray());
            Position += fits;
            if (fits < buffer.Length) throw Full(path);
        }
    }
}
