using Distributed.Core.Scores;

namespace Distributed.Jobs;

/// <summary>A kind of problem, and what it goes with.</summary>
/// <param name="Data">The data sets that pose it, and the kinds of a user's own data that may.</param>
/// <param name="Losses">What it can be learned by; the first is what a job means that names none.</param>
/// <param name="Metric">What the result is judged by.</param>
internal sealed record TaskKind(string Name, IReadOnlyList<string> Data, IReadOnlyList<string> Losses, Metric Metric)
{
    public static TaskKind Classification { get; } = new("classification", ["digits", "fashion-mnist", "breast-cancer", "csv", "folder", "idx", "npy"], [Jobs.Losses.CrossEntropy], Metric.Accuracy);

    /// <summary>Samples into one of two classes, by a single output.</summary>
    public static TaskKind BinaryClassification { get; } = new("binary-classification", ["breast-cancer", "csv", "folder", "idx", "npy"], [Jobs.Losses.BinaryCrossEntropy], Metric.Accuracy);

    public static TaskKind Regression { get; } = new("regression", ["diabetes", "csv", "npy"], [Jobs.Losses.L2, Jobs.Losses.L1], Metric.R2);

    /// <summary>Each pixel of an image into a class.</summary>
    public static TaskKind Segmentation { get; } = new("segmentation", ["digit-scenes-masks"], [Jobs.Losses.CrossEntropy], Metric.MeanIou) { IsPictured = true };

    /// <summary>What is in an image, and where.</summary>
    public static TaskKind Detection { get; } = new("detection", ["digit-scenes-boxes"], [Jobs.Losses.Boxes], Metric.AveragePrecision) { IsPictured = true };

    /// <summary>Samples like those that there are, class by class.</summary>
    public static TaskKind Generation { get; } = new("generation", ["digits", "fashion-mnist"], [Jobs.Losses.Adversarial], Metric.Recognized) { IsPictured = true };

    /// <summary>Whatever a class of the user's own makes of samples; what its metric is called stands in the job.</summary>
    public static TaskKind Plugin { get; } = new("plugin", ["digits", "fashion-mnist", "breast-cancer", "diabetes", "digit-scenes-masks", "digit-scenes-boxes", "csv", "folder", "idx", "npy"], [Jobs.Losses.OfPlugin], new MeanOfFirst("metric"));

    public static IReadOnlyList<TaskKind> All { get; } = [Classification, BinaryClassification, Regression, Segmentation, Detection, Generation, Plugin];

    /// <summary>Whether a finished run has a picture of what the model makes of test samples.</summary>
    public bool IsPictured { get; init; }

    /// <summary>The one of a name; null where there is none.</summary>
    public static TaskKind? Find(string? name) => All.FirstOrDefault(kind => kind.Name == name);

    /// <summary>Whether the samples of a data set are images.</summary>
    public static bool IsImages(string? data) => data is "digits" or "fashion-mnist" or "folder" or "idx";

    /// <summary>Whether they may be, as the files alone can tell.</summary>
    public static bool MayBeImages(string? data) => IsImages(data) || data is "npy";
}
