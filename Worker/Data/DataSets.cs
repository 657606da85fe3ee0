using Distributed.Shared.Jobs;

namespace Distributed.Worker.Data;

/// <summary>The data sets that a job can name.</summary>
public static class DataSets
{
    /// <summary>Every name that <see cref="Load"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = [Digits.Name, FashionMnist.Name];

    /// <summary>Loads a data set into memory; may download it (see <see cref="FashionMnist.Load"/>).</summary>
    /// <exception cref="DataException">The name is unknown, or the data is missing or malformed.</exception>
    public static DataSet Load(string name, DataOptions options) => name switch
    {
        Digits.Name => Digits.Load(),
        FashionMnist.Name => FashionMnist.Load(options),
        _ => throw Unknown(name),
    };

    /// <summary>What the images of a data set are like, without reading them.</summary>
    /// <exception cref="DataException">The name is unknown.</exception>
    public static ImageFormat FormatOf(string name) => name switch
    {
        Digits.Name => Digits.Format,
        FashionMnist.Name => FashionMnist.Format,
        _ => throw Unknown(name),
    };

    /// <summary>The names of a data set's classes, in their order: numbers where it has no others.</summary>
    /// <exception cref="DataException">The name is unknown.</exception>
    public static IReadOnlyList<string> LabelsOf(string name) =>
        ClassNames.Of(name, FormatOf(name).Classes);

    private static DataException Unknown(string name) => new($"Unknown data set '{name}'. Allowed: {string.Join(", ", Names)}.");
}
