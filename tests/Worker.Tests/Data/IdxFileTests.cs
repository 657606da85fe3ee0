using Distributed.Core;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class IdxFileTests
{
    private static readonly Gen<(int[] Dimensions, byte[] Values)> _contents =
        from dimensions in Gen.Int[1, 6].Array[1, 3]
        from values in Gen.Byte.Array[dimensions.Aggregate(1, (a, b) => a * b)]
        select (dimensions, values);

    [Fact]
    public void A_valid_file_reads_back_whether_compressed_or_not() =>
        Gen.Select(_contents, Gen.Bool).Sample((content, compressed) =>
        {
            var bytes = IdxBytes.Of(content.Dimensions, content.Values);
            var file = Read(compressed ? IdxBytes.Gzipped(bytes) : bytes, content.Dimensions.Length);
            Assert.Equal(content.Dimensions, file.Dimensions);
            Assert.Equal(content.Values, file.Values.ToArray());
            Assert.Equal(bytes.Length - content.Values.Length, file.HeaderBytes);
        });

    [Fact]
    public void Any_truncation_is_refused() =>
        Gen.Select(_contents, Gen.Bool, Gen.Double[0, 1]).Sample((content, compressed, part) =>
        {
            var bytes = IdxBytes.Of(content.Dimensions, content.Values);
            if (compressed) bytes = IdxBytes.Gzipped(bytes);
            var kept = Math.Min((int)(part * bytes.Length), bytes.Length - 1);
            Refused(bytes[..kept], content.Dimensions.Length);
        });

    [Fact]
    public void Any_change_of_the_header_is_refused() =>
        Gen.Select(_contents, Gen.Bool, Gen.Int[0, int.MaxValue], Gen.Byte[1, 255]).Sample((content, compressed, where, mask) =>
        {
            var bytes = IdxBytes.Of(content.Dimensions, content.Values);
            bytes[where % (bytes.Length - content.Values.Length)] ^= mask;
            Refused(compressed ? IdxBytes.Gzipped(bytes) : bytes, content.Dimensions.Length);
        });

    [Fact]
    public void Any_change_of_a_compressed_file_gives_the_same_values_or_is_refused() =>
        Gen.Select(_contents, Gen.Int[0, int.MaxValue], Gen.Byte[1, 255]).Sample((content, where, mask) =>
        {
            var bytes = IdxBytes.Gzipped(IdxBytes.Of(content.Dimensions, content.Values));
            bytes[where % bytes.Length] ^= mask;
            try
            {
                Assert.Equal(content.Values, Read(bytes, content.Dimensions.Length).Values.ToArray());
            }
            catch (DataException)
            {
                // Damage that the checksum shows; damage to a time stamp or name does not show and does not matter.
            }
        });

    [Fact]
    public void Trailing_bytes_are_refused() =>
        Gen.Select(_contents, Gen.Bool, Gen.Byte.Array[1, 20]).Sample((content, compressed, tail) =>
        {
            byte[] bytes = [.. IdxBytes.Of(content.Dimensions, content.Values), .. tail];
            var message = Refused(compressed ? IdxBytes.Gzipped(bytes) : bytes, content.Dimensions.Length);
            Assert.Contains($"byte {bytes.Length - tail.Length}:", message, StringComparison.Ordinal);
        });

    [Fact]
    public void Arbitrary_bytes_never_give_another_exception() =>
        Gen.Select(Gen.Byte.Array[0, 64], Gen.Int[1, 3]).Sample((bytes, rank) =>
        {
            foreach (var candidate in (byte[][])[bytes, [0x1f, 0x8b, .. bytes], [0, 0, 8, (byte)rank, .. bytes]])
            {
                try
                {
                    _ = Read(candidate, rank);
                }
                catch (DataException)
                {
                    // The only exception allowed; any other fails the test.
                }
            }
        });

    [Fact]
    public void A_header_alone_allocates_nothing() =>
        Gen.Select(Gen.Int.Array[3], Gen.Bool).Sample((dimensions, compressed) =>
        {
            var header = IdxBytes.Of(dimensions, [1, 2, 3]);
            var bytes = compressed ? IdxBytes.Gzipped(header) : header;
            Assert.True(AllocatedWhile(() => Refused(bytes, 3)) < 1 << 18);
        });

    [Theory]
    [InlineData(new[] { 1 << 30 }, false)]
    [InlineData(new[] { 1 << 30 }, true)]
    [InlineData(new[] { 1 << 16, 1 << 14 }, true)]
    public void The_largest_size_is_not_allocated_for_a_small_file(int[] dimensions, bool compressed)
    {
        var header = IdxBytes.Of(dimensions, []);
        var bytes = compressed ? IdxBytes.Gzipped(header) : header;
        Assert.True(AllocatedWhile(() => Refused(bytes, dimensions.Length)) < 1 << 18);
    }

    [Fact]
    public void A_gzip_bomb_is_decompressed_no_further_than_its_header_says()
    {
        var bomb = IdxBytes.Gzipped(IdxBytes.Of([4], new byte[64 << 20]));
        using var stream = new MemoryStream(bomb);
        var e = Assert.Throws<DataException>(() => IdxFile.Read(stream, "bomb", 1));
        Assert.Contains("bomb, byte 12:", e.Message, StringComparison.Ordinal);
        Assert.True(stream.Position < bomb.Length, "The whole file was read.");
    }

    [Theory]
    [InlineData(new[] { 0 }, 4)]
    [InlineData(new[] { -1 }, 4)]
    [InlineData(new[] { (1 << 30) + 1 }, 4)]
    [InlineData(new[] { 1 << 16, 1 << 16, 1 << 16 }, 8)]
    [InlineData(new[] { 2, int.MinValue, int.MinValue }, 8)]
    public void Dimensions_out_of_range_are_refused_at_their_offset(int[] dimensions, int offset) =>
        Assert.Contains($"byte {offset}:", Refused(IdxBytes.Of(dimensions, [1]), dimensions.Length), StringComparison.Ordinal);

    [Fact]
    public void A_wrong_type_or_rank_is_named()
    {
        var bytes = IdxBytes.Of([2], [1, 2]);
        Assert.Contains("byte 3: there are 1 dimensions; expected 3", Refused([.. bytes, .. new byte[8]], 3), StringComparison.Ordinal);
        bytes[2] = 0x0d;
        Assert.Contains("byte 2: the type is 0x0d", Refused(bytes, 1), StringComparison.Ordinal);
    }

    [Fact]
    public void An_unreadable_file_is_named()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains(folder.Path, Assert.Throws<DataException>(() => IdxFile.Read(folder.Path, 1)).Message, StringComparison.Ordinal);
        Assert.Contains("absent", Assert.Throws<DataException>(() => IdxFile.Read(folder.At("absent"), 1)).Message,
            StringComparison.Ordinal);
    }

    private static IdxFile Read(byte[] bytes, int rank) => IdxFile.Read(new MemoryStream(bytes), "file", rank);

    private static string Refused(byte[] bytes, int rank)
    {
        var message = Assert.Throws<DataException>(() => Read(bytes, rank)).Message;
        Assert.StartsWith("file", message, StringComparison.Ordinal);
        return message;
    }

    private static long AllocatedWhile(Action action)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
