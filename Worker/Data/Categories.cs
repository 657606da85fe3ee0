using System.Globalization;
using Distributed.Core;
using Distributed.Jobs.Runs;

namespace Distributed.Worker.Data;

/// <summary>The different texts of a column, numbered as they come; put in order when all are known.</summary>
internal sealed class Categories
{
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);

    public int Count => _numbers.Count;

    /// <summary>What is wrong with a text, to follow "is"; null if nothing is.</summary>
    public static string? Fault(string text) => true switch
    {
        _ when text.Length == 0 => "empty; a name is expected",
        _ when text.Length > DataDescription.MaxClassName => $"{text.Length} characters long; a name has at most {DataDescription.MaxClassName}",
        _ when text.Any(char.IsControl) => "no name, as it has control characters",
        _ => null,
    };

    /// <exception cref="DataException">There are too many.</exception>
    public int Of(string text, string column)
    {
        if (_numbers.TryGetValue(text, out var number)) return number;
        if (Count == DataDescription.MaxClasses) throw new DataException($"{column} has more than {DataDescription.MaxClasses} different values; is it a number?");
        return _numbers[text] = Count;
    }

    /// <summary>The texts in their order: that of their values where all are whole numbers, or else that of their characters.</summary>
    public IReadOnlyList<string> Names =>
        _numbers.Keys.All(name => long.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            ? [.. _numbers.Keys.OrderBy(name => long.Parse(name, CultureInfo.InvariantCulture)).ThenBy(name => name, StringComparer.Ordinal)]
            : [.. _numbers.Keys.Order(StringComparer.Ordinal)];

    /// <summary>For each text by its number, its place in <see cref="Names"/>.</summary>
    public int[] Places()
    {
        var places = new int[Count];
        var names = Names;
        for (var place = 0; place < names.Count; place++) places[_numbers[names[place]]] = place;
        return places;
    }
}
