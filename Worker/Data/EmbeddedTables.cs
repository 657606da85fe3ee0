using System.Globalization;
using System.IO.Compression;

namespace Distributed.Worker.Data;

/// <summary>The tables that are built in (see Embedded/README.md).</summary>
public static class EmbeddedTables
{
    /// <summary>30 measurements of cell nuclei, and whether the tumour is malignant (0) or benign (1): 569 rows (Wolberg et al., 1995).</summary>
    public const string BreastCancer = "breast-cancer";

    /// <summary>What the rows of <see cref="BreastCancer"/> are like.</summary>
    public static TableFormat BreastCancerFormat { get; } = new(30, 2);

    /// <summary>Reads <see cref="BreastCancer"/>.</summary>
    /// <exception cref="DataException">The file in this build is damaged.</exception>
    public static DataSet LoadBreastCancer()
    {
        var rows = Rows("breast_cancer.csv.gz", BreastCancerFormat.Columns + 1);
        return new Table([.. rows.SelectMany(row => row[..^1])], [.. rows.Select(row => row[^1])], BreastCancerFormat.Classes).ToDataSet(BreastCancer);
    }

    private static List<double[]> Rows(string resource, int columns)
    {
        using var stream = typeof(EmbeddedTables).Assembly.GetManifestResourceStream(resource) ?? throw new DataException($"This build lacks the embedded file {resource}.");
        using var text = new StreamReader(new GZipStream(stream, CompressionMode.Decompress));
        // Counts, and the names of the classes.
        text.ReadLine();
        List<double[]> rows = [];
        while (text.ReadLine() is { } line)
        {
            var cells = line.Split(',');
            var row = new double[columns];
            if (cells.Length != columns) throw new DataException($"{resource}: line {rows.Count + 2} has {cells.Length} values; expected {columns}.");
            for (var i = 0; i < columns; i++)
                if (!double.TryParse(cells[i], NumberStyles.Float, CultureInfo.InvariantCulture, out row[i]) || !double.IsFinite(row[i]))
                    throw new DataException($"{resource}: line {rows.Count + 2}, column {i + 1} is '{cells[i]}'; a number is expected.");
            rows.Add(row);
        }
        return rows;
    }
}
