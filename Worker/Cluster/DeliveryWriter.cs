using System.Security.Cryptography;
using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;

namespace Distributed.Worker.Cluster;

// Data sets sent by coordinators, each in a folder named by its key (KeyOf). A folder is complete and checked,
// or does not exist. Several processes may share the cache. It never removes complete data sets, only abandoned transfers. Only the user
// can read it, since the files may be private on their machine of origin.
internal sealed class DeliveryCache(string root)
{
    internal const string ManifestName = ".manifest";
    internal const string PartialEnding = ".partial";
    private const UnixFileMode PrivateFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode PrivateFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly TimeSpan _abandoned = TimeSpan.FromDays(1);

    /// <summary>The folder of a data set whose files are all intact; null if there is none.</summary>
    public string? Find(string key)
    {
        var folder = FolderOf(key);
        try
        {
            var list = new FileInfo(Path.Combine(folder, ManifestName));
            if (!list.Exists || list.Length > DataManifest.MaxLength) return null;
            var manifest = File.ReadAllBytes(list.FullName);
            if (DataManifest.KeyOf(manifest) != key) return null;
            return DataManifest.Parse(manifest).Files.All(file => IsIntact(Path.Combine(folder, file.Name), file)) ? folder : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or DataException)
        {
            return null;
        }
    }

    public DeliveryWriter Begin(string key, int manifestBytes, long bytes)
    {
        try
        {
            CreateFolder(root);
            RemoveAbandoned();
            var room = new DriveInfo(root).AvailableFreeSpace;
            if (room < bytes + manifestBytes)
            {
                throw new DataException($"the data has {bytes} bytes, and there is room for {room} in '{root}'. "
                    + "Free some, or set XDG_CACHE_HOME to a folder that has it");
            }
            var partial = Path.Combine(root, $"{key}.{Guid.NewGuid():N}{PartialEnding}");
            CreateFolder(partial);
            return new(this, partial, key, manifestBytes, bytes);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(root, error);
        }
    }

    internal static DataException Unwritable(string folder, Exception error) => new("the data that the coordinator sends cannot be "
        + $"written into '{folder}': {error.Message} XDG_CACHE_HOME names another place", error);

    internal string FolderOf(string key) => Path.Combine(root, key);

    /// <summary>Creates a file and the folders between it and an existing folder; only the user can read them.</summary>
    internal static FileStream CreateFile(string folder, string name)
    {
        for (var end = name.IndexOf('/', StringComparison.Ordinal); end > 0; end = name.IndexOf('/', end + 1))
            CreateFolder(Path.Combine(folder, name[..end]));
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 1 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = PrivateFile;
        return new(Path.Combine(folder, name), options);
    }

    private static void CreateFolder(string path)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else if (Directory.Exists(path)) File.SetUnixFileMode(path, PrivateFolder);
        else Directory.CreateDirectory(path, PrivateFolder);
    }

    private static bool IsIntact(string path, DataFile file)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.SequentialScan);
        return stream.Length == file.Bytes && Convert.ToHexStringLower(SHA256.HashData(stream)) == file.Sha256;
    }

    private void RemoveAbandoned()
    {
        foreach (var partial in new DirectoryInfo(root).EnumerateDirectories($"*{PartialEnding}"))
        {
            try
            {
                // The folder's own time is that of its newest entry; a large file may take longer.
                var entries = partial.EnumerateFileSystemInfos("*", SearchOption.AllDirectories).Prepend(partial);
                if (DateTime.UtcNow - entries.Max(entry => entry.LastWriteTimeUtc) > _abandoned) partial.Delete(recursive: true);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Another process uses it, or has removed it.
            }
        }
    }
}

// Writes a data set that arrives as one stream: its manifest, then its files. Each is checked on arrival; the folder gets its final name
// when it is complete. An incomplete data set is removed.
internal sealed class DeliveryWriter(DeliveryCache cache, string partial, string key, int manifestBytes, long bytes) : IDisposable
{
    private readonly byte[] _manifest = new byte[manifestBytes];
    private readonly IncrementalHash _sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private DataManifest? _list;
    private FileStream? _file;
    private int _next;
    private long _left;

    /// <summary>Bytes received, those of the manifest included.</summary>
    public long Received { get; private set; }
    public bool IsComplete { get; private set; }

    public void Append(ReadOnlySpan<byte> piece)
    {
        if (Received + piece.Length > _manifest.Length + bytes)
            throw new DataException($"more than the {_manifest.Length + bytes} bytes announced were received");
        while (!piece.IsEmpty)
        {
            var taken = _list is null ? AppendManifest(piece) : AppendFile(piece);
            Received += taken;
            piece = piece[taken..];
        }
    }

    public DataException Unwritable(Exception error) => DeliveryCache.Unwritable(partial, error);

    public void Dispose()
    {
        _file?.Dispose();
        _sum.Dispose();
        if (IsComplete) return;
        try
        {
            Directory.Delete(partial, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A later transfer removes it.
        }
    }

    private int AppendManifest(ReadOnlySpan<byte> piece)
    {
        var taken = Math.Min(piece.Length, _manifest.Length - (int)Received);
        piece[..taken].CopyTo(_manifest.AsSpan((int)Received));
        if (Received + taken < _manifest.Length) return taken;
        if (DataManifest.KeyOf(_manifest) is var found && found != key)
            throw new DataException($"the list of files has the SHA-256 {found}; {key} was announced");
        var list = DataManifest.Parse(_manifest);
        if (list.Bytes != bytes) throw new DataException($"the files have {list.Bytes} bytes; {bytes} were announced");
        using (var file = DeliveryCache.CreateFile(partial, DeliveryCache.ManifestName)) file.Write(_manifest);
        _list = list;
        OpenNext();
        return taken;
    }

    private int AppendFile(ReadOnlySpan<byte> piece)
    {
        var taken = (int)Math.Min(piece.Length, _left);
        _sum.AppendData(piece[..taken]);
        _file!.Write(piece[..taken]);
        _left -= taken;
        if (_left > 0) return taken;
        CloseFile();
        OpenNext();
        return taken;
    }

    // Opens the next file that has bytes and creates the empty ones before it.
    private void OpenNext()
    {
        while (_next < _list!.Files.Count)
        {
            var file = _list.Files[_next];
            _file = DeliveryCache.CreateFile(partial, file.Name);
            _left = file.Bytes;
            if (_left > 0) return;
            CloseFile();
        }
        Complete();
    }

    private void CloseFile()
    {
        var expected = _list!.Files[_next++];
        _file!.Dispose();
        var found = Convert.ToHexStringLower(_sum.GetHashAndReset());
        if (found != expected.Sha256)
            throw new DataException($"'{Shown.Of(expected.Name)}' was received with the SHA-256 {found}; {expected.Sha256} was announced");
    }

    private void Complete()
    {
        try
        {
            if (cache.Find(key) is null) PutInPlace();
        }
        catch (IOException) when (cache.Find(key) is not null)
        {
            // Another process on this machine has finished the same data set first.
        }
        if (Directory.Exists(partial)) Directory.Delete(partial, recursive: true);
        IsComplete = true;
    }

    private void PutInPlace()
    {
        var folder = cache.FolderOf(key);
        if (Directory.Exists(folder))
        {
            // The old folder is damaged; otherwise the data would not have been sent again.
            var aside = partial + DeliveryCache.PartialEnding;
            Directory.Move(folder, aside);
            Directory.Delete(aside, recursive: true);
        }
        // The files are not flushed one by one: a file that a power cut damages is detected by its sum and sent again.
        Durable.MoveFolder(partial, folder);
    }
}
