using System.Security.Cryptography;
using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;

namespace Distributed.Worker.Cluster;

/// <summary>
/// Takes in a data set as one stream, its manifest and then its files: each is checked as it comes, and the folder has its
/// final name when all of it is there. What was written before something went wrong is removed.
/// </summary>
internal sealed class DeliveryWriter : IDisposable
{
    private readonly DeliveryCache _cache;
    private readonly string _partial;
    private readonly string _key;
    private readonly byte[] _manifest;
    private readonly IncrementalHash _sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private DataManifest? _list;
    private FileStream? _file;
    private int _next;
    private long _left;

    internal DeliveryWriter(DeliveryCache cache, string partial, string key, int manifestBytes, long bytes) =>
        (_cache, _partial, _key, _manifest, Bytes) = (cache, partial, key, new byte[manifestBytes], bytes);

    /// <summary>Bytes of all files.</summary>
    public long Bytes { get; }

    /// <summary>Bytes that have come, those of the manifest included.</summary>
    public long Received { get; private set; }

    /// <summary>Whether all of it is there, under its final name.</summary>
    public bool IsComplete { get; private set; }

    /// <exception cref="DataException">It is not what was announced, or names what it may not.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be written.</exception>
    public void Append(ReadOnlySpan<byte> piece)
    {
        if (Received + piece.Length > _manifest.Length + Bytes) throw new DataException($"more than the {_manifest.Length + Bytes} bytes announced were received");
        while (!piece.IsEmpty)
        {
            var taken = _list is null ? AppendManifest(piece) : AppendFile(piece);
            Received += taken;
            piece = piece[taken..];
        }
    }

    /// <summary>A full disk and the like, in a user's words.</summary>
    public DataException Unwritable(Exception error) => DeliveryCache.Unwritable(_partial, error);

    public void Dispose()
    {
        _file?.Dispose();
        _sum.Dispose();
        if (IsComplete) return;
        try
        {
            Directory.Delete(_partial, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It is abandoned, and removed by whoever comes by later.
        }
    }

    private int AppendManifest(ReadOnlySpan<byte> piece)
    {
        var taken = Math.Min(piece.Length, _manifest.Length - (int)Received);
        piece[..taken].CopyTo(_manifest.AsSpan((int)Received));
        if (Received + taken < _manifest.Length) return taken;
        if (DataManifest.KeyOf(_manifest) is var key && key != _key) throw new DataException($"the list of files has the SHA-256 {key}; {_key} was announced");
        var list = DataManifest.Parse(_manifest);
        if (list.Bytes != Bytes) throw new DataException($"the files have {list.Bytes} bytes; {Bytes} were announced");
        using (var file = PrivateFolder.CreateFile(Path.Combine(_partial, DeliveryCache.ManifestName))) file.Write(_manifest);
        _list = list;
        Advance();
        return taken;
    }

    private int AppendFile(ReadOnlySpan<byte> piece)
    {
        var taken = (int)Math.Min(piece.Length, _left);
        _sum.AppendData(piece[..taken]);
        _file!.Write(piece[..taken]);
        _left -= taken;
        if (_left > 0) return taken;
        Finish();
        Advance();
        return taken;
    }

    /// <summary>Opens the next file that has bytes; finishes those that have none.</summary>
    private void Advance()
    {
        while (_next < _list!.Files.Count)
        {
            var file = _list.Files[_next];
            var path = Path.Combine(_partial, file.Name);
            PrivateFolder.CreateFor(_partial, file.Name);
            _file = PrivateFolder.CreateFile(path);
            _left = file.Bytes;
            if (_left > 0) return;
            Finish();
        }
        Complete();
    }

    private void Finish()
    {
        var expected = _list!.Files[_next++];
        _file!.Dispose();
        var found = Convert.ToHexStringLower(_sum.GetHashAndReset());
        if (found != expected.Sha256) throw new DataException($"'{Shown.Of(expected.Name)}' was received with the SHA-256 {found}; {expected.Sha256} was announced");
    }

    private void Complete()
    {
        try
        {
            if (_cache.Find(_key) is null) PutInPlace();
        }
        catch (IOException) when (_cache.Find(_key) is not null)
        {
            // Another process on this machine was faster, with the same.
        }
        if (Directory.Exists(_partial)) Directory.Delete(_partial, recursive: true);
        IsComplete = true;
    }

    private void PutInPlace()
    {
        var folder = _cache.FolderOf(_key);
        if (Directory.Exists(folder))
        {
            // Damaged, or it would not have been sent again.
            var aside = _partial + DeliveryCache.PartialEnding;
            Directory.Move(folder, aside);
            Directory.Delete(aside, recursive: true);
        }
        Directory.Move(_partial, folder);
    }
}
