using Distributed.Core;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class DataSetTests
{
    private const int Samples = 4, Side = 2;

    private static readonly Gen<(byte[] Pixels, byte[] Labels)> _splits =
        Gen.Select(Gen.Byte.Array[Samples * Side * Side], Gen.Byte[0, 8].Array[Samples]);

    [Fact]
    public void Equal_data_have_equal_fingerprints() =>
        Gen.Select(_splits, _splits).Sample((train, test) =>
        {
            var fingerprint = FingerprintOf("a", train, test);
            Assert.Equal(fingerprint, FingerprintOf("a", train, test));
            Assert.Matches("^[0-9a-f]{32}$", fingerprint);
        });

    [Fact]
    public void Any_change_of_a_pixel_or_label_changes_the_fingerprint() =>
        Gen.Select(_splits, _splits, Gen.Int[0, 2 * Samples * (Side * Side + 1) - 1]).Sample((train, test, where) =>
        {
            var before = FingerprintOf("a", train, test);
            byte[][] parts = [train.Pixels, train.Labels, test.Pixels, test.Labels];
            foreach (var part in parts)
            {
                if (where >= 0 && where < part.Length) part[where] ^= 1;
                where -= part.Length;
            }
            Assert.NotEqual(before, FingerprintOf("a", train, test));
        });

    [Fact]
    public void The_fingerprint_covers_name_shape_and_the_order_of_the_splits()
    {
        byte[] pixels = [1, 2, 3, 4], labels = [0], others = [5, 6, 7, 8];
        ImageSet Set(byte[] values, int height, int width, float scale = 1) => new(values, labels, new(1, height, width, 10, scale));
        string[] fingerprints =
        [
            new DataSet("a", Set(pixels, 2, 2), Set(others, 2, 2)).Fingerprint,
            new DataSet("b", Set(pixels, 2, 2), Set(others, 2, 2)).Fingerprint,
            new DataSet("a", Set(others, 2, 2), Set(pixels, 2, 2)).Fingerprint,
            new DataSet("a", Set(pixels, 1, 4), Set(others, 1, 4)).Fingerprint,
            new DataSet("a", Set(pixels, 4, 1), Set(others, 4, 1)).Fingerprint,
            new DataSet("a", Set(pixels, 2, 2, 2), Set(others, 2, 2, 2)).Fingerprint,
        ];
        Assert.Distinct(fingerprints);
    }

    [Fact]
    public void Splits_of_different_shapes_are_refused()
    {
        var square = new ImageSet(new byte[4], new byte[1], new(1, 2, 2, 10, 1));
        var row = new ImageSet(new byte[4], new byte[1], new(1, 1, 4, 10, 1));
        Assert.Throws<DataException>(() => new DataSet("a", square, row));
    }

    private static string FingerprintOf(string name, (byte[] Pixels, byte[] Labels) train, (byte[] Pixels, byte[] Labels) test) =>
        new DataSet(name, SetOf(train), SetOf(test)).Fingerprint;

    private static ImageSet SetOf((byte[] Pixels, byte[] Labels) split) =>
        new(split.Pixels, split.Labels, new(1, Side, Side, 10, 1f / 255));
}
