using System.Globalization;
using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>A user's table. An input is a number or a name; a target is a number or the name of a class.</summary>
internal sealed class CsvTable(CsvData data, bool isClass)
{
    /// <summary>Largest number of values of a table, one-hot inputs included.</summary>
    public const int MaxValues = 1 << 27;

    private readonly List<string> _notes = [];
    private readonly Dictionary<int, Categories> _categories = [];
    private readonly Categories _classes = new();
    private readonly List<double> _values = [];
    private readonly List<double> _targets = [];
    private CsvColumns? _columns;

    public static DataSource Source { get; } = DataSource.Files<CsvData>(Load);

    private static DataSet Load(CsvData data, Job job, DataOptions options)
    {
        var isClass = job.Kind != TaskKind.Regression;
        var table = new CsvTable(data, isClass);
        table.Read(options.Locate(data.Path));
        var train = table._targets.Count;
        if (data.TestPath is { } path) table.Read(options.Locate(path));
        var count = table._targets.Count;
        var split = data.TestPath is null ? Split.Draw(data, count, job.Seed) : Split.At(train, count);
        var set = table.ToTable().ToDataSet(data.Name, split);
        return set with { Classes = isClass ? table._classes.Names : [], Notes = table._notes };
    }

    private void Read(string path)
    {
        var before = _targets.Count;
        var bad = new BadSamples(path, data.SkipsBadSamples);
        var isFirst = true;
        foreach (var row in CsvFile.Read(path, data.Separator))
        {
            if (isFirst)
            {
                isFirst = false;
                Begin(path, row);
                if (data.Header) continue;
            }
            if (Fault(row) is { } fault) bad.Add($"line {row.Line}{fault}");
            else Add(row);
            if (_values.Count > MaxValues)
                throw new DataException($"{path} has more than {MaxValues} values; leave some rows or columns out.");
        }
        bad.End(_targets.Count - before, _notes);
    }

    private void Begin(string path, CsvRow first)
    {
        var columns = CsvColumns.Of(path, first, data);
        if (_columns is null)
        {
            _columns = columns;
            foreach (var place in columns.OneHot) _categories[place] = new();
        }
        else if (!columns.Names.SequenceEqual(_columns.Names) || columns.Count != _columns.Count)
        {
            var difference = data.Header ? "its first line differs" : $"{columns.Count} of them, not {_columns.Count}";
            throw new DataException($"{path} has other columns than {data.Path}: {difference}.");
        }
    }

    // The fault of a row, after the words "line 3"; null for a good row.
    private string? Fault(CsvRow row)
    {
        if (row.IsMisquoted) return " has a quote where none may stand (one within quotes is doubled)";
        if (row.Cells.Length != _columns!.Count) return $" has {row.Cells.Length} values; {_columns.Count} are expected";
        foreach (var place in _columns.Inputs.Append(_columns.Target))
        {
            var isName = place == _columns.Target ? isClass : _categories.ContainsKey(place);
            if (Fault(row.Cells[place], isName) is { } fault) return $", {_columns.Title(place)} is {fault}";
        }
        return null;
    }

    private static string? Fault(string cell, bool isName) => true switch
    {
        _ when isName => Categories.Fault(cell),
        _ when cell.Length == 0 => "empty; a number is expected",
        _ when double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out var n) && float.IsFinite((float)n) => null,
        _ => $"'{Shown.Of(cell)}'; a number is expected",
    };

    private void Add(CsvRow row)
    {
        foreach (var place in _columns!.Inputs) _values.Add(Value(place, _categories.GetValueOrDefault(place)));
        _targets.Add(Value(_columns.Target, isClass ? _classes : null));

        double Value(int place, Categories? names) => names is null
            ? double.Parse(row.Cells[place], NumberStyles.Float, CultureInfo.InvariantCulture)
            : names.Of(row.Cells[place], _columns.Title(place));
    }

    // Once all names are known: a class becomes its place in their order, a one-hot name as many inputs as there are names.
    private Table ToTable()
    {
        var inputs = _columns!.Inputs;
        var width = inputs.Sum(place => _categories.TryGetValue(place, out var categories) ? categories.Count : 1);
        if ((long)width * _targets.Count > MaxValues)
            throw new DataException($"{data.Path} has more than {MaxValues} values with one-hot ones; leave some rows or columns out.");
        var values = new double[width * _targets.Count];
        int[]?[] places = [.. inputs.Select(place => _categories.GetValueOrDefault(place)?.Places())];
        var next = 0;
        for (var row = 0; row < _targets.Count; row++)
            for (var i = 0; i < inputs.Count; i++)
            {
                var value = _values[(row * inputs.Count) + i];
                if (places[i] is not { } order) values[next++] = value;
                else
                {
                    values[next + order[(int)value]] = 1;
                    next += order.Length;
                }
            }
        if (!isClass) return new(values, _targets, 0);
        var classes = _classes.Places();
        return new(values, [.. _targets.Select(target => (double)classes[(int)target])], classes.Length);
    }
}

/// <param name="Inputs">Places of the columns, from 0, as are <paramref name="Target"/> and <paramref name="OneHot"/>.</param>
/// <param name="OneHot">The inputs that hold names, each of which becomes an input of 0 or 1.</param>
internal sealed record CsvColumns(IReadOnlyList<string> Names, int Count, IReadOnlyList<int> Inputs, int Target, IReadOnlySet<int> OneHot)
{
    public static CsvColumns Of(string path, CsvRow first, CsvData data)
    {
        string[] names = data.Header ? first.Cells : [];
        if (data.Header && names.All(name => double.TryParse(name, NumberStyles.Float, CultureInfo.InvariantCulture, out _)))
            throw Refused("the first line has numbers alone, and no names. If the file has no header, say header: false.");
        var count = first.Cells.Length;
        var target = Place(data.Target, "target");
        List<int> listed = [.. data.Columns.Select(column => Place(column, "columns"))];
        if (listed.GroupBy(place => place).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw Refused($"columns has {TitleOf(names, twice.Key)} twice; allowed: once.");
        if (listed.Contains(target)) throw Refused($"{TitleOf(names, target)} is the target, and cannot be one of columns.");
        List<int> inputs = data.Columns.Count > 0 ? listed : [.. Enumerable.Range(0, count).Where(place => place != target)];
        if (inputs.Count == 0)
        {
            throw Refused("there is no column beside the target. "
                + $"If its values are separated by something else than '{data.Separator}', say separator.");
        }
        HashSet<int> oneHot = [.. data.OneHot.Select(column => Place(column, "one-hot"))];
        if (oneHot.Where(place => !inputs.Contains(place)).Select(place => (int?)place).FirstOrDefault() is { } other)
            throw Refused($"one-hot has {TitleOf(names, other)}, which is no input.");
        return new(names, count, inputs, target, oneHot);

        DataException Refused(string reason) => new($"{path}: {reason}");

        int Place(ColumnRef column, string key)
        {
            if (column.Name is not { } name)
            {
                return column.Number <= count
                    ? column.Number - 1
                    : throw Refused($"{key} is {column.Number}, but there are {count} columns.");
            }
            var places = Enumerable.Range(0, count).Where(place => names[place] == name).ToList();
            if (places.Count == 1) return places[0];
            var meant = Spelling.Nearest(name, names) is { } nearest ? $" (did you mean {Shown.Of(nearest)}?)" : "";
            throw Refused($"{key} is '{Shown.Of(name)}', but " + (places.Count > 1
                ? $"columns {places[0] + 1} and {places[1] + 1} both have that name; give the number of one."
                : $"there is no such column{meant}; there are {Listed(names)}."));
        }
    }

    public string Title(int place) => TitleOf(Names, place);

    private static string TitleOf(IReadOnlyList<string> names, int place) =>
        place < names.Count ? $"column '{Shown.Of(names[place])}'" : $"column {place + 1}";

    private static string Listed(string[] names)
    {
        const int Most = 20;
        return string.Join(", ", names.Take(Most).Select(Shown.Of)) + (names.Length > Most ? $" and {names.Length - Most} more" : "");
    }
}

/// <summary>The different texts of a column, numbered in the order of appearance until all are known.</summary>
internal sealed class Categories
{
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);

    public int Count => _numbers.Count;

    /// <summary>The fault of a name, after the word "is"; null for a good name.</summary>
    public static string? Fault(string text) => true switch
    {
        _ when text.Length == 0 => "empty; a name is expected",
        _ when text.Length > DataDescription.MaxClassName =>
            $"{text.Length} characters long; a name has at most {DataDescription.MaxClassName}",
        _ when text.Any(char.IsControl) => "no name, as it has control characters",
        _ => null,
    };

    public int Of(string text, string column)
    {
        if (_numbers.TryGetValue(text, out var number)) return number;
        if (Count == DataDescription.MaxClasses)
            throw new DataException($"{column} has more than {DataDescription.MaxClasses} different values; is it a number?");
        return _numbers[text] = Count;
    }

    /// <summary>The texts in order: by value if all are whole numbers, else by their characters.</summary>
    public IReadOnlyList<string> Names
    {
        get
        {
            var names = _numbers.Keys.Order(StringComparer.Ordinal);
            return _numbers.Keys.All(name => long.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
                ? [.. names.OrderBy(name => long.Parse(name, CultureInfo.InvariantCulture))]
                : [.. names];
        }
    }

    /// <summary>For each text by its number, its place in <see cref="Names"/>.</summary>
    public int[] Places()
    {
        var places = new int[Count];
        foreach (var (place, name) in Names.Index()) places[_numbers[name]] = place;
        return places;
    }
}
