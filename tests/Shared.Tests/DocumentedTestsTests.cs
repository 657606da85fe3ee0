using System.Reflection;
using System.Text.RegularExpressions;

namespace Distributed.Shared.Tests;

/// <summary>docs/testing.md names tests that exist.</summary>
public sealed partial class DocumentedTestsTests
{
    [Fact]
    public void Every_test_that_the_document_names_exists()
    {
        var sources = Directory.EnumerateFiles(Metadata("TestsPath"), "*Tests.cs", SearchOption.AllDirectories)
            .ToLookup(file => Path.GetFileNameWithoutExtension(file), File.ReadAllText, StringComparer.Ordinal);
        var named = TestName().Matches(File.ReadAllText(Metadata("TestingDocument")))
            .Select(match => (Class: match.Groups[1].Value, Method: match.Groups[2].Value)).ToList();
        Assert.NotEmpty(named);
        Assert.All(named, test =>
            Assert.Contains(sources[test.Class], source => source.Contains($" {test.Method}", StringComparison.Ordinal)));
    }

    private static string Metadata(string key) =>
        typeof(DocumentedTestsTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;

    [GeneratedRegex(@"`(\w+Tests)(?:\.(\w+))?`")]
    private static partial Regex TestName();
}
