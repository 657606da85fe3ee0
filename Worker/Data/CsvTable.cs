using System.Globalization;
using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>A user's table. Inputs are numbers, or names of which each becomes an input; a target is a number, or the name of a class.</summary>
internal sealed class CsvTable
{
    /// <summary>Numbers that a table may have once it is read.</summary>
    public const int MaxValues = 1 << 27;

    private readonly CsvData _data;
    private readonly bool _isClass;
    private readonly List<string> _notes = [];
    private readonly Dictionary<int, Categories> _categories = [];
    private readonly Categories _classes = new();
    private readonly List<double> _values = [];
    private readonly List<double> _targets = [];
    private CsvColumns? _columns;

    private CsvTable(CsvData data, bool isClass) => (_data, _isClass) = (data, isClass);

    /// <exception cref="DataException">It cannot be read, or does not fit the job.</exception>
    public static DataSet Load(CsvData data, TaskKind kind, long seed, DataOptions options)
    {
        var table = new CsvTable(data, kind != TaskKind.Regression);
        table.Read(options.Locate(data.Path));
        var train = table._targets.Count;
        if (data.TestPath is { } path) table.Read(options.Locate(path));
        var split = data.TestPath is null ? OwnDataSets.Draw(data, table._targets.Count, seed) : Split.At(train, table._targets.Count);
        return table.ToTable().ToDataSet(data.Name, split) with { Classes = table._isClass ? table._classes.Names : [], Notes = table._notes };
    }

    private void Read(string path)
    {
        var before = _targets.Count;
        var bad = new BadSamples(path, _data.SkipsBadSamples);
        var isFirst = true;
        foreach (var row in CsvFile.Read(path, _data.Separator))
        {
            if (isFirst)
            {
                isFirst = false;
                Begin(path, row);
                if (_data.Header) continue;
            }
            if (Fault(row) is { } fault) bad.Add($"line {row.Line}{fault}");
            else Add(row);
            if (_values.Count > MaxValues) throw new DataException($"{path} has more than {MaxValues} values; leave some rows or columns out.");
        }
        if (bad.End(_targets.Count - before) is { } note) _notes.Add(note);
    }

    private void Begin(string path, CsvRow first)
    {
        var columns = CsvColumns.Of(path, first, _data);
        if (_columns is null)
        {
            _columns = columns;
            foreach (var place in columns.OneHot) _categories[place] = new();
        }
        else if (!columns.Names.SequenceEqual(_columns.Names) || columns.Count != _columns.Count)
        {
            throw new DataException($"{path} has other columns than {_data.Path}: {(_data.Header ? "its first line differs" : $"{columns.Count} of them, not {_columns.Count}")}.");
        }
    }

    /// <summary>What is wrong with a row, to follow its line; null if nothing is.</summary>
    private string? Fault(CsvRow row)
    {
        if (row.IsMisquoted) return " has a quote where none may stand (one within quotes is doubled)";
        if (row.Cells.Length != _columns!.Count) return $" has {row.Cells.Length} values; {_columns.Count} are expected";
        foreach (var place in _columns.Inputs)
            if (Fault(row.Cells[place], _categories.ContainsKey(place)) is { } fault)
                return $", {_columns.Title(place)} is {fault}";
        return Fault(row.Cells[_columns.Target], _isClass) is { } wrong ? $", {_columns.Title(_columns.Target)} is {wrong}" : null;
    }

    private static string? Fault(string cell, bool isName) => true switch
    {
        _ when isName => Categories.Fault(cell),
        _ when cell.Length == 0 => "empty; a number is expected",
        _ when TryNumber(cell, out _) => null,
        _ => $"'{Shown.Of(cell)}'; a number is expected",
    };

    private void Add(CsvRow row)
    {
        foreach (var place in _columns!.Inputs)
            _values.Add(_categories.TryGetValue(place, out var categories) ? categories.Of(row.Cells[place], _columns.Title(place)) : Number(row.Cells[place]));
        var target = row.Cells[_columns.Target];
        _targets.Add(_isClass ? _classes.Of(target, _columns.Title(_columns.Target)) : Number(target));
    }

    /// <summary>With all names known, a name is a place among them, or as many inputs as there are.</summary>
    private Table ToTable()
    {
        var inputs = _columns!.Inputs;
        var width = inputs.Sum(place => _categories.TryGetValue(place, out var categories) ? categories.Count : 1);
        if ((long)width * _targets.Count > MaxValues) throw new DataException($"{_data.Path} has more than {MaxValues} values, one-hot ones included; leave some rows or columns out.");
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
        var classes = _classes.Places();
        return new(values, _isClass ? [.. _targets.Select(target => (double)classes[(int)target])] : _targets, _isClass ? _classes.Count : 0);
    }

    private static double Number(string cell) => double.Parse(cell, NumberStyles.Float, CultureInfo.InvariantCulture);

    private static bool TryNumber(string cell, out double number) =>
        double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out number) && double.IsFinite(number) && float.IsFinite((float)number);
}
