using Distributed.Core;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class ImageSetTests
{
    private static readonly Gen<ImageSet> _sets =
        from shape in Gen.Select(Gen.Int[1, 8], Gen.Int[1, 3], Gen.Int[1, 5], Gen.Int[1, 5])
        let sampleSize = shape.Item2 * shape.Item3 * shape.Item4
        from pixels in Gen.Byte.Array[shape.Item1 * sampleSize]
        from labels in Gen.Byte[0, 9].Array[shape.Item1]
        select new ImageSet(pixels, labels, new(shape.Item2, shape.Item3, shape.Item4, 10, 1f / 255));

    [Fact]
    public void A_micro_batch_holds_the_scaled_samples_in_the_order_asked_for() =>
        Gen.Select(_sets, Gen.Int[0, int.MaxValue].Array[0, 20]).Sample((set, numbers) =>
        {
            var indices = Array.ConvertAll(numbers, n => n % set.Count);
            var (images, labels) = Copy(set, indices);
            for (var i = 0; i < indices.Length; i++)
            {
                Assert.Equal(set.Labels[indices[i]], labels[i]);
                for (var j = 0; j < set.SampleSize; j++)
                    Assert.Equal(set.Pixels[indices[i] * set.SampleSize + j] * set.Scale, images[i * set.SampleSize + j]);
            }
            Assert.All(images, value => Assert.InRange(value, 0f, 1f));
        });

    [Fact]
    public void An_index_outside_the_set_is_refused() =>
        Gen.Select(_sets, Gen.OneOf(Gen.Int[int.MinValue, -1], Gen.Int[8, int.MaxValue])).Sample((set, index) =>
            Assert.Throws<ArgumentOutOfRangeException>(() => Copy(set, [0, index])));

    [Theory]
    [InlineData(2 * 4 - 1, 2)]
    [InlineData(2 * 4 + 1, 2)]
    [InlineData(2 * 4, 1)]
    [InlineData(2 * 4, 3)]
    public void Spans_of_the_wrong_length_are_refused(int images, int labels)
    {
        var set = new ImageSet(new byte[12], new byte[3], new(1, 2, 2, 10, 1));
        Assert.Throws<ArgumentException>(() => set.CopyTo([0, 1], new float[images], new float[labels]));
    }

    [Fact]
    public void The_brightest_pixel_is_one()
    {
        var set = new ImageSet(new byte[] { 255 }, new byte[] { 0 }, new(1, 1, 1, 1, 1f / 255));
        Assert.Equal(1f, Copy(set, [0]).Images[0]);
    }

    [Fact]
    public void A_label_that_is_no_class_is_refused() =>
        Gen.Select(_sets, Gen.Int[1, 256]).Sample((set, classes) =>
        {
            ImageSet Relabelled() => new(set.Pixels.ToArray(), set.Labels.ToArray(), set.Format with { Classes = classes });
            if (set.Labels.ToArray().Max() < classes) Assert.Equal(classes, Relabelled().Format.Classes);
            else Assert.Contains("label", Assert.Throws<DataException>(Relabelled).Message, StringComparison.Ordinal);
        });

    [Fact]
    public void Pixels_that_do_not_fit_the_shape_and_empty_sets_are_refused()
    {
        Assert.Throws<DataException>(() => new ImageSet(new byte[11], new byte[3], new(1, 2, 2, 10, 1)));
        Assert.Throws<DataException>(() => new ImageSet(new byte[13], new byte[3], new(1, 2, 2, 10, 1)));
        Assert.Throws<DataException>(() => new ImageSet(Array.Empty<byte>(), Array.Empty<byte>(), new(1, 2, 2, 10, 1)));
    }

    private static (float[] Images, float[] Labels) Copy(ImageSet set, int[] indices)
    {
        var (images, labels) = (new float[indices.Length * set.SampleSize], new float[indices.Length]);
        set.CopyTo(indices, images, labels);
        return (images, labels);
    }
}
