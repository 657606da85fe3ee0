using Distributed.Core;
using Distributed.Core.Planning;
using Distributed.Jobs;
using Distributed.Worker.Data;
using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Data;

[Collection(TorchTests.Name)]
public sealed class AugmentationTests
{
    private sealed record Image(int Channels, int Height, int Width, float[] Values)
    {
        public float At(int channel, int y, int x) =>
            y >= 0 && y < Height && x >= 0 && x < Width ? Values[(((channel * Height) + y) * Width) + x] : 0;

        public float[] Where(Func<int, int, int, float> value) =>
            [.. from channel in Enumerable.Range(0, Channels) from y in Enumerable.Range(0, Height) from x in Enumerable.Range(0, Width)
                select value(channel, y, x)];

        public float[] After(Change change)
        {
            float[] values = [.. Values];
            change(values);
            return values;
        }

        public float[] After(AugmentSpec spec, long seed, int epoch, int sample) =>
            After(values => new Augmentation(spec, new(Channels, Height, Width, 10, 1), seed).Apply(epoch, sample, values));
    }

    private delegate void Change(Span<float> values);

    // No pixel is 0, which distinguishes them from the pixels that fill up.
    private static readonly Gen<Image> _images =
        from shape in Gen.Select(Gen.Int[1, 3], Gen.Int[2, 7], Gen.Int[2, 7])
        from values in Gen.Float[0.1f, 1].Array[shape.Item1 * shape.Item2 * shape.Item3]
        select new Image(shape.Item1, shape.Item2, shape.Item3, values);

    private static readonly Gen<(long Seed, int Epoch, int Sample)> _names = Gen.Select(Gen.Long[0, long.MaxValue], Gen.Int[0, 1000],
        Gen.Int[0, 60_000]);

    // Suitable for images of 2 by 2 pixels.
    private static readonly Gen<AugmentSpec> _specs = Gen.Select(Gen.Bool, Gen.Int[0, 1], Gen.Int[0, 1], (flip, crop, cutout) =>
        new AugmentSpec { Flip = flip, Crop = crop, Cutout = cutout });

    [Fact]
    public void No_augmentation_changes_nothing() => Gen.Select(_images, _names).Sample((image, name) =>
        Assert.Equal(image.Values, image.After(new AugmentSpec(), name.Seed, name.Epoch, name.Sample)));

    [Fact]
    public void A_flip_mirrors_and_two_flips_cancel() => _images.Sample(image =>
    {
        Assert.Equal(image.Where((channel, y, x) => image.At(channel, y, image.Width - 1 - x)),
            image.After(values => ImageTransforms.Flip(values, image.Width)));
        Assert.Equal(image.Values, image.After(values =>
        {
            ImageTransforms.Flip(values, image.Width);
            ImageTransforms.Flip(values, image.Width);
        }));
    });

    [Fact]
    public void A_shift_moves_every_pixel_and_fills_with_black() =>
        _images.SelectMany(image => Gen.Select(Gen.Const(image), Gen.Int[1 - image.Height, image.Height - 1],
            Gen.Int[1 - image.Width, image.Width - 1])).Sample((image, down, right) =>
            Assert.Equal(image.Where((channel, y, x) => image.At(channel, y - down, x - right)),
                image.After(values => ImageTransforms.Shift(values, image.Height, image.Width, down, right))));

    [Fact]
    public void A_black_square_covers_its_pixels_only() =>
        Gen.Select(_images, Gen.Int[-8, 8], Gen.Int[-8, 8], Gen.Int[0, 8]).Sample((image, top, left, side) =>
        Assert.Equal(
            image.Where((channel, y, x) => y >= top && y < top + side && x >= left && x < left + side ? 0 : image.At(channel, y, x)),
            image.After(values => ImageTransforms.Blacken(values, image.Height, image.Width, top, left, side))));

    [Fact]
    public void An_augmentation_is_a_shift_within_the_crop_then_an_optional_flip_then_a_square() =>
        Gen.Select(_images, _names, Gen.Bool).Sample((image, name, flips) =>
    {
        var found = image.After(new AugmentSpec { Flip = flips, Crop = 1 }, name.Seed, name.Epoch, name.Sample);
        var possible = from down in Enumerable.Range(-1, 3)
                       from right in Enumerable.Range(-1, 3)
                       from isFlipped in Enumerable.Range(0, flips ? 2 : 1).Select(i => i == 1)
                       select image.Where((channel, y, x) => image.At(channel, y - down, (isFlipped ? image.Width - 1 - x : x) - right));
        Assert.Contains(found, possible);

        // Other changes do not affect the draws of these.
        var withSquare = image.After(new AugmentSpec { Flip = flips, Crop = 1, Cutout = 1 }, name.Seed, name.Epoch, name.Sample);
        Assert.InRange(found.Zip(withSquare).Count(pixel => pixel.First != pixel.Second), 0, image.Channels);
    });

    [Fact]
    public void An_augmentation_depends_on_seed_epoch_and_sample_only() => Gen.Select(_images, _specs, _names).Sample((image, spec, name) =>
    {
        var expected = image.After(spec, name.Seed, name.Epoch, name.Sample);
        var augmentation = new Augmentation(spec, new(image.Channels, image.Height, image.Width, 10, 1), name.Seed);
        augmentation.Apply(name.Epoch + 1, name.Sample, [.. image.Values]);
        augmentation.Apply(name.Epoch, name.Sample + 1, [.. image.Values]);
        Assert.Equal(expected, image.After(values => augmentation.Apply(name.Epoch, name.Sample, values)));
    });

    [Fact]
    public void All_changes_are_drawn_about_equally_often() =>
        Gen.Select(Gen.Long[0, long.MaxValue], Gen.Bool).Sample((seed, byEpoch) =>
    {
        // A pixel in the middle, and one above it that distinguishes a flip from a shift.
        const int Draws = 4000, Outcomes = 5 * 5 * 2;
        var counts = Enumerable.Range(0, Draws).CountBy(i =>
        {
            var image = new float[9 * 9];
            (image[40], image[41]) = (1, 2);
            new Augmentation(new() { Flip = true, Crop = 2 }, new(1, 9, 9, 10, 1), seed).Apply(byEpoch ? i : 0, byEpoch ? 0 : i, image);
            return (Array.IndexOf(image, 1f), Array.IndexOf(image, 2f));
        }).ToList();
        Assert.Equal(Outcomes, counts.Count);
        // 80 of each are expected, with a standard deviation of 9.
        Assert.All(counts, count => Assert.InRange(count.Value, 25, 150));
    }, iter: 20);

    [Fact]
    public void A_sample_changes_with_the_epoch_but_not_with_the_micro_batch_nor_in_the_test_set() =>
        Gen.Select(Gen.Int[0, 1000].Array[1, 8], Gen.Int[0, 9], Gen.Int[0, 7]).Sample((samples, epoch, at) =>
        {
            var task = new Classification(TestJobs.Data, augmentation: new(new() { Crop = 3, Cutout = 4 }, Digits.Format, 1));
            var chosen = samples[at % samples.Length];
            float[] Fetched(RoundKind split, int inEpoch, params int[] numbers)
            {
                using var batch = task.Fetch(split, inEpoch, numbers, CPU);
                return batch.Inputs.data<float>().ToArray();
            }

            var size = Digits.Format.SampleSize;
            Assert.Equal(Fetched(RoundKind.Train, epoch, chosen),
                Fetched(RoundKind.Train, epoch, samples).Chunk(size).ElementAt(at % samples.Length));
            Assert.True(Enumerable.Range(0, 10).Select(e => string.Join(' ', Fetched(RoundKind.Train, e, chosen))).Distinct().Count() > 5);
            var raw = new float[size];
            TestJobs.Data.Test.CopyTo([chosen % 300], raw, new float[1]);
            Assert.Equal(raw, Fetched(RoundKind.Evaluate, epoch, chosen % 300));
        }, iter: 30, threads: 1);

    [Theory]
    [InlineData(8, 0, "augment.crop is 8; the images are 8x8, so at most 7 is allowed, or nothing might be left of one")]
    [InlineData(0, 9, "augment.cutout is 9; the images are 8x8, so at most 7 is allowed, or nothing might be left of one")]
    public void A_change_that_could_remove_a_whole_image_is_rejected(int crop, int cutout, string message) =>
        Assert.Equal(message, Assert.Throws<DataException>(() =>
            new Augmentation(new() { Crop = crop, Cutout = cutout }, Digits.Format, 1)).Message);
}
