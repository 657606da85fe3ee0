using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Distributed.Shared.Tests.Architecture;

/// <summary>The layers of the product: the allowed dependencies of projects and folders.</summary>
public sealed partial class ArchitectureTests(ITestOutputHelper output)
{
    private const int MaxPublicTypes = 150;

    private static readonly SourceTree _tree = SourceTree.Load(Path.GetDirectoryName(
        typeof(ArchitectureTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(a => a.Key == "TestsPath").Value!.TrimEnd('/', '\\'))!);

    [Fact]
    public void Namespaces_follow_the_folders() =>
        Assert.Empty(_tree.Files.Where(file => file.Namespace != file.Expected)
            .Select(file => $"{file.Path} is in {file.Namespace}, its folder means {file.Expected}"));

    [Fact]
    public void Projects_reference_only_those_below_them()
    {
        foreach (var (folder, (project, may)) in SourceTree.Projects)
        {
            var references = Load(folder, project).Descendants("ProjectReference")
                .Where(reference => (string?)reference.Attribute("ReferenceOutputAssembly") != "false")
                .Select(reference => Path.GetFileNameWithoutExtension((string)reference.Attribute("Include")!));
            Assert.Empty(references.Except(may).Select(other => $"{project} references {other}"));
            var named = _tree.Dependencies.Where(d => SourceTree.ProjectOf(d.From) == project)
                .Select(d => SourceTree.ProjectOf(d.To)).Distinct();
            Assert.Empty(named.Except([.. may, project]).Select(other => $"{project} names types of {other}"));
        }
    }

    [Fact]
    public void Core_is_built_without_packages()
    {
        var core = Load("Shared/Core", "Core");
        Assert.Empty(core.Descendants("FrameworkReference"));
        Assert.Empty(core.Descendants("ProjectReference"));
        // An analyzer is not part of the result.
        Assert.Equal(["Microsoft.CodeAnalysis.BannedApiAnalyzers"],
            core.Descendants("PackageReference").Select(package => (string?)package.Attribute("Include")));
    }

    [Fact]
    public void Folders_have_no_cycles()
    {
        foreach (var project in _tree.Dependencies.GroupBy(dependency => SourceTree.ProjectOf(dependency.From)))
        {
            var others = project.Select(d => SourceTree.ProjectOf(d.To))
                .Where(other => other != project.Key).Distinct().Order(StringComparer.Ordinal);
            output.WriteLine($"{project.Key} -> {string.Join(", ", others)}");
            foreach (var folder in project.Where(d => SourceTree.ProjectOf(d.To) == project.Key).GroupBy(d => d.From))
                output.WriteLine($"    {Short(folder.Key)} -> {string.Join(", ", folder.Select(d => Short(d.To)))}");
        }
        Assert.Empty(_tree.Cycles());

        static string Short(string space) => space["Distributed.".Length..];
    }

    [Fact]
    public void Few_types_are_public() => Assert.InRange(_tree.Files.Sum(file => PublicType().Count(file.Code)), 0, MaxPublicTypes);

    private static XDocument Load(string folder, string project) => XDocument.Load(Path.Combine(_tree.Root, folder, $"{project}.csproj"));

    /// <summary>Nested or not.</summary>
    [GeneratedRegex(@"^\s*public ((sealed|abstract|static|partial|readonly|unsafe|ref|new) )*"
        + @"(class|record|struct|interface|enum|delegate)\b", RegexOptions.Multiline)]
    private static partial Regex PublicType();
}
