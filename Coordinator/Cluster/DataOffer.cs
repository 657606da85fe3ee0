using System.Security.Cryptography;
using Distributed.Coordinator.Storage;
using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;

namespace Distributed.Coordinator.Cluster;

/// <summary>A data set that the coordinator can send: its manifest and where its files are.</summary>
internal sealed class DataOffer
{
    private readonly IReadOnlyList<Source> _sources;
    private readonly DeliveryScope _scope;

    private DataOffer(byte[] manifest, long bytes, IReadOnlyList<Source> sources, DeliveryScope scope) =>
        (Manifest, Bytes, Key, _sources, _scope) = (manifest, bytes, DataManifest.KeyOf(manifest), sources, scope);

    private sealed record Source(DataFile File, string Path, DateTime WrittenAt)
    {
        public bool IsUnchanged =>
            new FileInfo(Path) is { Exists: true } now && now.Length == File.Bytes && now.LastWriteTimeUtc == WrittenAt;
    }

    public string Key { get; }
    public ReadOnlyMemory<byte> Manifest { get; }
    public long Bytes { get; } // Bytes of all files, without the manifest.
    public long Length => Manifest.Length + Bytes;

    /// <summary>Locates the job's data, downloads it where possible, and hashes all of it.</summary>
    /// <returns>Null if the job's data needs no files.</returns>
    public static DataOffer? Find(DataSpec data, DataOptions options)
    {
        if (DataParts.Of(data).Count == 0) return null;
        var (files, scope) = DataParts.Locate(data, options);
        try
        {
            var sources = files.Select(file => Read(file.Name, file.Path, scope))
                .ToDictionary(source => source.File.Name, StringComparer.Ordinal);
            var manifest = DataManifest.Of(sources.Values.Select(source => source.File));
            return new(manifest.ToBytes(), manifest.Bytes, [.. manifest.Files.Select(file => sources[file.Name])], scope);
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            throw new DataException($"the data cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Whether all files still have the length and time that they had when they were hashed.</summary>
    public bool IsCurrent() => _sources.All(source => source.IsUnchanged);
    public DataReader Open() => new(Manifest, [.. _sources.Select(source => (source.Path, source.File.Bytes))], _scope.Open);

    private static Source Read(string name, string path, DeliveryScope scope)
    {
        var file = new FileInfo(path);
        var writtenAt = file.LastWriteTimeUtc;
        using var stream = scope.Open(path);
        var length = stream.Length;
        return new(new(name, length, Convert.ToHexStringLower(SHA256.HashData(stream))), path, writtenAt);
    }
}

internal sealed class DataReader(
    ReadOnlyMemory<byte> manifest, IReadOnlyList<(string Path, long Bytes)> files, Func<string, FileStream> open) : IDisposable
{
    private ReadOnlyMemory<byte> _manifest = manifest;
    private FileStream? _file;
    private int _next;
    private long _left;

    /// <summary>Fills a piece and returns its bytes; only the last piece is shorter. Returns 0 at the end.</summary>
    public int Fill(Span<byte> piece)
    {
        var filled = Math.Min(piece.Length, _manifest.Length);
        _manifest.Span[..filled].CopyTo(piece);
        _manifest = _manifest[filled..];
        try
        {
            while (filled < piece.Length && (_left > 0 || Advance())) filled += Read(piece[filled..]);
            return filled;
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            throw new DataException($"the data cannot be read any more: {error.Message}", error);
        }
    }

    public void Dispose() => _file?.Dispose();

    private int Read(Span<byte> piece)
    {
        var read = _file!.Read(piece[..(int)Math.Min(piece.Length, _left)]);
        if (read == 0) throw new DataException($"'{_file.Name}' has become {_left} bytes shorter while it was sent");
        _left -= read;
        return read;
    }

    private bool Advance()
    {
        for (; _next < files.Count; _next++)
        {
            _file?.Dispose();
            _file = null;
            if (files[_next].Bytes == 0) continue;
            _file = open(files[_next].Path);
            _left = files[_next++].Bytes;
            return true;
        }
        return false;
    }
}
