namespace Distributed.Worker.Data;

/// <summary>What the classes of the known data sets are called.</summary>
internal static class ClassNames
{
    /// <summary>Those of Fashion-MNIST, from the data set's README.</summary>
    public static IReadOnlyList<string> FashionMnist { get; } =
        ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

    private static readonly Dictionary<string, IReadOnlyList<string>> _names = new(StringComparer.Ordinal)
    {
        ["fashion-mnist"] = FashionMnist,
        ["digit-scenes-masks"] = ["background", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        ["breast-cancer"] = ["malignant", "benign"],
    };

    /// <summary>The names of a data set's classes, in their order: numbers where it has no others.</summary>
    /// <param name="data">The data set, as a job names it.</param>
    public static IReadOnlyList<string> Of(string data, int classes) =>
        _names.TryGetValue(data, out var names) && names.Count == classes ? names : [.. Enumerable.Range(0, classes).Select(number => $"{number}")];
}
