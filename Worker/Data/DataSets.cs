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
        _ => throw new DataException($"Unknown data set '{name}'. Allowed: {string.Join(", ", Names)}."),
    };
}
