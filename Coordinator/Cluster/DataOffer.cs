using System.Security.Cryptography;
using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;

namespace Distributed.Coordinator.Cluster;

/// <summary>A data set that workers can be sent: its manifest, and where its files lie.</summary>
internal sealed class DataOffer
{
    private readonly IReadOnlyList<Source> _sources;
    private readonly DeliveryScope _scope;

    private DataOffer(byte[] manifest, long bytes, IReadOnlyList<Source> sources, DeliveryScope scope) =>
        (Manifest, Bytes, Key, _sources, _scope) = (manifest, bytes, DataManifest.KeyOf(manifest), sources, scope);

    /// <summary>A file as it was when it was read, in the manifest's order.</summary>
    private sealed record Source(DataFile File, string Path, DateTime WrittenAt)
    {
        public bool IsAsItWas => new FileInfo(Path) is { Exists: true } now && now.Length == File.Bytes && now.LastWriteTimeUtc == WrittenAt;
    }

    public string Key { get; }

    /// <summary>The manifest, as it is sent.</summary>
    public ReadOnlyMemory<byte> Manifest { get; }

    /// <summary>Bytes of all files.</summary>
    public long Bytes { get; }

    /// <summary>Bytes in all.</summary>
    public long Length => Manifest.Length + Bytes;

    /// <summary>Looks for the job's data on this machine, downloads what can be, and reads all of it for its sums.</summary>
    /// <returns>Null where the job's data needs no files.</returns>
    /// <exception cref="DataException">It is not here, or cannot be sent.</exception>
    public static DataOffer? Find(DataSpec data, DataOptions options)
    {
        if (DataParts.Of(data).Count == 0) return null;
        var (files, scope) = DataParts.Locate(data, options);
        try
        {
            var sources = files.Select(file => Read(file.Name, file.Path, scope)).ToDictionary(source => source.File.Name, StringComparer.Ordinal);
            var manifest = DataManifest.Of(sources.Values.Select(source => source.File));
            return new(manifest.ToBytes(), manifest.Bytes, [.. manifest.Files.Select(file => sources[file.Name])], scope);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"the data cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Whether no file was changed since it was read, as far as its length and time tell.</summary>
    public bool IsCurrent() => _sources.All(source => source.IsAsItWas);

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
