using Distributed.Core;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>
/// Scenes made of the embedded digits (see <see cref="SceneRecipe"/>): 4000 to train on, of training digits alone, and 400 to test on, of
/// test digits alone. Two data sets of the same scenes: a task has the targets that it learns.
/// </summary>
internal static class DigitScenes
{
    /// <summary>The scenes with what is in them, and where.</summary>
    public const string Boxes = "digit-scenes-boxes";

    /// <summary>The scenes with what each pixel is part of.</summary>
    public const string Masks = "digit-scenes-masks";

    private const int TrainScenes = 4000, TestScenes = 400;
    private const long TrainSeed = 1, TestSeed = 2;

    public static SceneFormat FormatOf(SceneTargets targets) =>
        new(targets, SceneRecipe.Side, Digits.Format.Classes + (targets == SceneTargets.Masks ? 1 : 0), SceneRecipe.MaxDigits);

    /// <exception cref="DataException">The digits in this build are damaged.</exception>
    public static DataSet Load(SceneTargets targets)
    {
        var digits = Digits.Load();
        return new(targets == SceneTargets.Boxes ? Boxes : Masks, Make(digits.Train, TrainSeed, TrainScenes), Make(digits.Test, TestSeed, TestScenes));

        SceneSet Make(SampleSet from, long seed, int count) =>
            new(FormatOf(targets), [.. Enumerable.Range(0, count).Select(number => SceneRecipe.Make((ImageSet)from, seed, number))]);
    }
}
