using Distributed.Core;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

// The embedded data set: 1797 grey 8×8 images of handwritten digits (Alpaydin and Kaynak, 1998; see Embedded/README.md). Every
// sample whose number % 5 is 4 is a test sample: 1438 for training, 359 for testing.
internal static class Digits
{
    private const int Samples = 1797, Side = 8, SampleSize = Side * Side, Brightest = 16, Classes = 10, TestEvery = 5;
    private const string Resource = "digits.csv.gz";

    public static ImageFormat Format { get; } = new(1, Side, Side, Classes, 1f / Brightest);
    public static DataSource Source { get; } = DataSource.Known("digits", Format, _ => Load());

    public static DataSet Load()
    {
        using var text = CsvFile.OpenEmbedded(Resource);
        return Parse(text);
    }

    public static DataSet Parse(TextReader csv)
    {
        var (pixels, labels) = (new byte[Samples * SampleSize], new byte[Samples]);
        var (allowedPixels, allowedLabels) = ($"allowed are 0 to {Brightest}", $"allowed are 0 to {Classes - 1}");
        var count = 0;
        foreach (var row in CsvFile.Read(csv, Resource, SampleSize + 1))
        {
            if (count == Samples) throw new DataException($"{Resource}: has more than {Samples} lines.");
            for (var i = 0; i < SampleSize; i++)
                pixels[(count * SampleSize) + i] = row.Number<byte>(Resource, i, n => n <= Brightest, allowedPixels);
            labels[count++] = row.Number<byte>(Resource, SampleSize, n => n < Classes, allowedLabels);
        }
        if (count < Samples) throw new DataException($"{Resource}: ends after {count} lines; expected {Samples}.");
        var all = new ImageSet(pixels, labels, Format);
        var split = Split.Every(Samples, TestEvery);
        return new(Source.Name, all.Select(split.Train), all.Select(split.Test));
    }
}

// Scenes made of the embedded digits (see SceneRecipe): 4000 of training digits for training, 400 of test digits for
// testing. Two data sets have the same scenes and different targets.
internal static class DigitScenes
{
    private const int TrainScenes = 4000, TestScenes = 400;
    private const long TrainSeed = 1, TestSeed = 2;

    public static DataSource Boxes { get; } = Of("digit-scenes-boxes", SceneTargets.Boxes);

    public static DataSource Masks { get; } = Of(
        "digit-scenes-masks", SceneTargets.Masks, "background", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9");

    public static SceneFormat FormatOf(SceneTargets targets) =>
        new(targets, SceneRecipe.Side, Digits.Format.Classes + (targets == SceneTargets.Masks ? 1 : 0), SceneRecipe.MaxDigits);

    private static DataSource Of(string name, SceneTargets targets, params string[] classes) => DataSource.Known(
        name, FormatOf(targets), _ => Load(name, FormatOf(targets)), classes);

    private static DataSet Load(string name, SceneFormat format)
    {
        var digits = Digits.Load();
        return new(name, Make(digits.Train, TrainSeed, TrainScenes), Make(digits.Test, TestSeed, TestScenes));

        SceneSet Make(SampleSet from, long seed, int count) =>
            new(format, [.. Enumerable.Range(0, count).Select(number => SceneRecipe.Make((ImageSet)from, seed, number))]);
    }
}
