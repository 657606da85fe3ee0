using Distributed.Core.Scores;

namespace Distributed.Jobs;

internal static class Losses
{
    public const string CrossEntropy = "cross-entropy";
    public const string BinaryCrossEntropy = "binary-cross-entropy";
    public const string Adversarial = "adversarial"; // A discriminator against a generator (Goodfellow et al. 2014).
    public const string OfPlugin = "plugin";
    public const string L2 = "l2";
    public const string L1 = "l1";
    public const string Boxes = "boxes"; // For boxes in images: whether there is one, its class, and its offset.
}

/// <param name="Data">The known data sets for it, and the allowed kinds of a user's own data.</param>
/// <param name="Losses">The allowed losses, the default first.</param>
/// <param name="IsPictured">Whether a finished run has a picture of the model's outputs for test samples.</param>
internal sealed record TaskKind(
    string Name, IReadOnlyList<string> Data, IReadOnlyList<string> Losses, Metric Metric, bool IsPictured = false)
{
    public static TaskKind Classification { get; } = new("classification",
        ["digits", "fashion-mnist", "breast-cancer", "csv", "folder", "idx", "npy"], [Jobs.Losses.CrossEntropy], Metric.Accuracy);

    /// <summary>Two classes, by a single output.</summary>
    public static TaskKind BinaryClassification { get; } = new("binary-classification",
        ["breast-cancer", "csv", "folder", "idx", "npy"], [Jobs.Losses.BinaryCrossEntropy], Metric.Accuracy);

    public static TaskKind Regression { get; } = new("regression",
        ["diabetes", "csv", "npy"], [Jobs.Losses.L2, Jobs.Losses.L1], Metric.R2);

    public static TaskKind Segmentation { get; } = new("segmentation",
        ["digit-scenes-masks"], [Jobs.Losses.CrossEntropy], Metric.MeanIou, IsPictured: true);

    public static TaskKind Detection { get; } = new("detection",
        ["digit-scenes-boxes"], [Jobs.Losses.Boxes], Metric.AveragePrecision, IsPictured: true);

    public static TaskKind Generation { get; } = new("generation",
        ["digits", "fashion-mnist"], [Jobs.Losses.Adversarial], Metric.Recognized, IsPictured: true);

    /// <summary>A class of the user's own; the job names its metric.</summary>
    public static TaskKind Plugin { get; } = new("plugin",
        ["digits", "fashion-mnist", "breast-cancer", "diabetes", "digit-scenes-masks", "digit-scenes-boxes", "csv", "folder", "idx", "npy"],
        [Jobs.Losses.OfPlugin], new MeanOfFirst("metric"));

    public static IReadOnlyList<TaskKind> All { get; } =
        [Classification, BinaryClassification, Regression, Segmentation, Detection, Generation, Plugin];

    public static TaskKind? Find(string? name) => All.FirstOrDefault(kind => kind.Name == name);
    public static bool IsImages(string? data) => data is "digits" or "fashion-mnist" or "folder" or "idx";

    /// <summary>Whether the samples may be images, which for npy only the files can tell.</summary>
    public static bool MayBeImages(string? data) => IsImages(data) || data is "npy";
}
