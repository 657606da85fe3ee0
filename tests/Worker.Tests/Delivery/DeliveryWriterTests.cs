using System.Security.Cryptography;
using Distributed.Core;
using Distributed.Jobs.Data;
using Distributed.Worker.Cluster;
using Distributed.Worker.Tests.Data;

namespace Distributed.Worker.Tests.Delivery;

/// <summary>A data set that arrives in pieces is complete and unchanged, or does not exist.</summary>
public sealed class DeliveryWriterTests : IDisposable
{
    private static readonly Gen<(byte[][] Files, int[] Pieces)> _any = Gen.Select(Gen.Byte.Array[0, 200].Array[1, 8],
        Gen.Int[1, 300].Array[1, 10]);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private DeliveryCache Cache => new(_folder.At("cache"));

    [Fact]
    public void Files_arrive_unchanged_in_pieces_of_any_size() => _any.Sample((files, pieces) =>
    {
        var set = DeliveredSet.Of(files);
        Remove();
        Assert.Null(Cache.Find(set.Key));
        using (var writer = Begin(set)) Append(writer, set.Bytes, pieces);
        var folder = Cache.Find(set.Key)!;
        Assert.Equal(files, files.Index().Select(file => File.ReadAllBytes(Path.Combine(folder, DeliveredSet.NameOf(file.Index)))));
        AssertNothingElse(set.Key);
    }, threads: 1);

    [Fact]
    public void Only_the_user_can_read_delivered_data()
    {
        if (OperatingSystem.IsWindows()) return;
        Directory.CreateDirectory(_folder.At("cache"), (UnixFileMode)0b111_101_101);
        var set = DeliveredSet.Of([[1, 2, 3], [4]]);
        using (var writer = Begin(set)) Append(writer, set.Bytes, [2]);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder.At("cache")));
        foreach (var path in Directory.EnumerateFileSystemEntries(_folder.At("cache"), "*", SearchOption.AllDirectories))
        {
            var mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | (Directory.Exists(path) ? UnixFileMode.UserExecute : 0);
            Assert.Equal(mode, File.GetUnixFileMode(path));
        }
    }

    [Fact]
    public void A_transfer_that_ends_early_leaves_nothing() => Gen.Select(_any, Gen.Double.Unit).Sample((any, kept) =>
    {
        var set = DeliveredSet.Of(any.Files);
        Remove();
        using (var writer = Begin(set))
        {
            Append(writer, set.Bytes.AsSpan(0, (int)(set.Bytes.Length * kept)), any.Pieces);
            Assert.False(writer.IsComplete);
        }
        Assert.Null(Cache.Find(set.Key));
        AssertNothingElse(null);
    }, threads: 1);

    [Fact]
    public void A_changed_byte_is_rejected_and_leaves_nothing() =>
        Gen.Select(_any, Gen.Int[0, int.MaxValue], Gen.Byte[1, 255]).Sample((any, at, change) =>
    {
        var set = DeliveredSet.Of(any.Files);
        Remove();
        set.Bytes[at % set.Bytes.Length] ^= change;
        using (var writer = Begin(set)) Assert.Throws<DataException>(() => Append(writer, set.Bytes, any.Pieces));
        Assert.Null(Cache.Find(set.Key));
        AssertNothingElse(null);
    }, threads: 1);

    [Fact]
    public void More_bytes_than_announced_are_rejected()
    {
        var set = DeliveredSet.Of([[1, 2, 3]]);
        using var writer = Begin(set);
        Assert.Contains("more than the", Assert.Throws<DataException>(() => writer.Append([.. set.Bytes, 0])).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_of_files_that_were_not_announced_is_rejected()
    {
        var set = DeliveredSet.Of([[1, 2, 3]]);
        using (var writer = Cache.Begin(set.Key, set.ManifestBytes, 4))
            Assert.Contains("the files have 3 bytes; 4 were announced",
                Assert.Throws<DataException>(() => writer.Append(set.Bytes)).Message, StringComparison.Ordinal);
        using (var writer = Cache.Begin(new('0', 64), set.ManifestBytes, 3))
            Assert.Contains("was announced", Assert.Throws<DataException>(() => writer.Append(set.Bytes)).Message,
                StringComparison.Ordinal);
    }

    [Fact]
    public void Two_transfers_of_the_same_data_disturb_neither_each_other_nor_a_reader()
    {
        var set = DeliveredSet.Of([[1, 2, 3], new byte[1000]]);
        using var one = Begin(set);
        using var other = Begin(set);
        one.Append(set.Bytes);
        using var reader = File.OpenRead(Path.Combine(Cache.Find(set.Key)!, DeliveredSet.NameOf(1)));
        other.Append(set.Bytes);
        Assert.True(other.IsComplete);
        Assert.NotNull(Cache.Find(set.Key));
        Assert.Equal(1000, reader.Read(new byte[2000]));
        AssertNothingElse(set.Key);
    }

    [Fact]
    public void Damaged_data_in_the_cache_is_not_found_and_is_replaced()
    {
        var set = DeliveredSet.Of([[1, 2, 3]]);
        using (var writer = Begin(set)) writer.Append(set.Bytes);
        File.WriteAllBytes(Path.Combine(Cache.Find(set.Key)!, DeliveredSet.NameOf(0)), [1, 2, 4]);
        Assert.Null(Cache.Find(set.Key));
        using (var writer = Begin(set)) writer.Append(set.Bytes);
        Assert.NotNull(Cache.Find(set.Key));
        AssertNothingElse(set.Key);
    }

    [Fact]
    public void An_old_incomplete_transfer_is_removed_and_a_recent_one_is_kept()
    {
        var set = DeliveredSet.Of([[1]]);
        using var going = Begin(set);
        var old = _folder.At("cache", "0.partial");
        Directory.CreateDirectory(old);
        Directory.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddDays(-2));
        // A large file arrives slowly, and the folder has the time at which it began.
        var slow = _folder.At("cache", "1.partial");
        Directory.CreateDirectory(Path.Combine(slow, "0", "pets"));
        File.WriteAllText(Path.Combine(slow, "0", "pets", "large.png"), "");
        foreach (var folder in (string[])[Path.Combine(slow, "0", "pets"), Path.Combine(slow, "0"), slow])
            Directory.SetLastWriteTimeUtc(folder, DateTime.UtcNow.AddDays(-2));
        using var other = Begin(set);
        Assert.False(Directory.Exists(old));
        Assert.True(Directory.Exists(slow));
        going.Append(set.Bytes);
        Assert.True(going.IsComplete);
    }

    [Fact]
    public void Missing_room_is_reported()
    {
        Assert.Contains("there is room for", Assert.Throws<DataException>(() => Cache.Begin(new('0', 64), 1, long.MaxValue / 2)).Message,
            StringComparison.Ordinal);
        File.WriteAllText(_folder.At("file"), "");
        var refused = Assert.Throws<DataException>(() => new DeliveryCache(_folder.At("file", "cache")).Begin(new('0', 64), 1, 1));
        Assert.Contains("cannot be written into", refused.Message, StringComparison.Ordinal);
        Assert.Contains("XDG_CACHE_HOME", refused.Message, StringComparison.Ordinal);
    }

    private DeliveryWriter Begin(DeliveredSet set) => Cache.Begin(set.Key, set.ManifestBytes, set.Bytes.Length - set.ManifestBytes);

    private static void Append(DeliveryWriter writer, ReadOnlySpan<byte> bytes, int[] pieces)
    {
        for (var i = 0; !bytes.IsEmpty; i++)
        {
            var length = Math.Min(bytes.Length, pieces[i % pieces.Length]);
            writer.Append(bytes[..length]);
            bytes = bytes[length..];
        }
    }

    private void AssertNothingElse(string? key) =>
        Assert.Equal(key is null ? [] : [key], Directory.EnumerateFileSystemEntries(_folder.At("cache")).Select(Path.GetFileName));

    private void Remove()
    {
        if (Directory.Exists(_folder.At("cache"))) Directory.Delete(_folder.At("cache"), recursive: true);
    }
}

/// <summary>A data set in transit: its manifest, then its files.</summary>
internal sealed record DeliveredSet(string Key, int ManifestBytes, byte[] Bytes)
{
    public static DeliveredSet Of(IReadOnlyList<byte[]> files) => Of([.. files.Index().Select(file => (NameOf(file.Index), file.Item))]);

    public static DeliveredSet Of(params IReadOnlyList<(string Name, byte[] Content)> files)
    {
        var manifest = DataManifest.Of(
            files.Select(file => new DataFile(file.Name, file.Content.Length, Convert.ToHexStringLower(SHA256.HashData(file.Content)))));
        var bytes = manifest.ToBytes();
        var contents = files.ToDictionary(file => file.Name, file => file.Content);
        return new(DataManifest.KeyOf(bytes), bytes.Length, [.. bytes, .. manifest.Files.SelectMany(file => contents[file.Name])]);
    }

    public static string NameOf(int number) => $"{number % 3}/folder/{number}.bin";
}
