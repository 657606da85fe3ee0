using System.Globalization;
using Distributed.Core;
using Distributed.Jobs;

namespace Distributed.Worker.Data;

/// <param name="Names">The header; none where there is none.</param>
/// <param name="OneHot">Which of the places hold names that become an input each.</param>
internal sealed record CsvColumns(IReadOnlyList<string> Names, int Count, IReadOnlyList<int> Inputs, int Target, IReadOnlySet<int> OneHot)
{
    /// <exception cref="DataException">A column is not there, or there twice, or has two parts.</exception>
    public static CsvColumns Of(string path, CsvRow first, CsvData data)
    {
        string[] names = data.Header ? first.Cells : [];
        if (data.Header && names.All(name => double.TryParse(name, NumberStyles.Float, CultureInfo.InvariantCulture, out _)))
            throw new DataException($"{path}: the first line has numbers alone, and no names. If the file has no header, say header: false.");
        var count = first.Cells.Length;
        var target = Place(data.Target, "target");
        List<int> listed = [.. data.Columns.Select(column => Place(column, "columns"))];
        if (listed.GroupBy(place => place).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new DataException($"{path}: columns has {Title(twice.Key)} twice; allowed: once.");
        if (listed.Contains(target)) throw new DataException($"{path}: {Title(target)} is the target, and cannot be one of columns.");
        List<int> inputs = data.Columns.Count > 0 ? listed : [.. Enumerable.Range(0, count).Where(place => place != target)];
        if (inputs.Count == 0) throw new DataException($"{path}: there is no column beside the target. If its values are separated by something else than '{data.Separator}', say separator.");
        HashSet<int> oneHot = [.. data.OneHot.Select(column => Place(column, "one-hot"))];
        if (oneHot.Where(place => !inputs.Contains(place)).Select(place => (int?)place).FirstOrDefault() is { } odd)
            throw new DataException($"{path}: one-hot has {Title(odd)}, which is no input.");
        return new(names, count, inputs, target, oneHot);

        string Title(int place) => TitleOf(names, place);

        int Place(ColumnRef column, string key)
        {
            if (column.Name is not { } name)
                return column.Number <= count ? column.Number - 1 : throw new DataException($"{path}: {key} is {column.Number}, but there are {count} columns.");
            var places = Enumerable.Range(0, count).Where(place => names[place] == name).ToList();
            if (places.Count == 1) return places[0];
            var nearest = Spelling.Nearest(name, names);
            throw new DataException(places.Count > 1
                ? $"{path}: {key} is '{Shown.Of(name)}', but columns {string.Join(" and ", places.Take(2).Select(place => place + 1))} both have that name; give the number of one."
                : $"{path}: {key} is '{Shown.Of(name)}', but there is no such column{(nearest is null ? "" : $" (did you mean {Shown.Of(nearest)}?)")}; there are {Listed(names)}.");
        }
    }

    public string Title(int place) => TitleOf(Names, place);

    private static string TitleOf(IReadOnlyList<string> names, int place) => place < names.Count ? $"column '{Shown.Of(names[place])}'" : $"column {place + 1}";

    private static string Listed(string[] names)
    {
        const int Most = 20;
        return string.Join(", ", names.Take(Most).Select(Shown.Of)) + (names.Length > Most ? $" and {names.Length - Most} more" : "");
    }
}
