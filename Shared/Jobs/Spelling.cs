namespace Distributed.Jobs;

/// <summary>Finds the name that a mistyped one was meant to be.</summary>
internal static class Spelling
{
    private const int MaxDistance = 2;

    /// <summary>The name nearest to <paramref name="typed"/>, case aside, if at most two edits away and not half made up of them.</summary>
    public static string? Nearest(string typed, IEnumerable<string> names) => names
        .Where(name => Math.Abs(name.Length - typed.Length) <= MaxDistance)
        .Select(name => (Name: name, Distance: Distance(typed, name)))
        .Where(candidate => candidate.Distance <= MaxDistance && 2 * candidate.Distance < candidate.Name.Length)
        .OrderBy(candidate => candidate.Distance)
        .Select(candidate => candidate.Name)
        .FirstOrDefault();

    /// <summary>Levenshtein's distance (Wagner and Fischer 1974), one row at a time.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = diagonal + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, 1 + Math.Min(row[j], row[j - 1]));
            }
        }
        return row[b.Length];
    }
}
